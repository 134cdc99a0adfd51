"""A comparison of several studies: which is better, and with what confidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.datasets import differences as data_differences
from pipeline.errors import UsageError
from pipeline.results.analysis.queries import changes, progress
from pipeline.results.tables.load import Results
from pipeline.results.views.explanation import interval
from pipeline.results.views.study import number
from pipeline.results.views.table import Column, Table
from pipeline.text import counted, duration, listed

_Reals = npt.NDArray[np.float64]

_MIN_TRIALS = 5
"""The fewest trials for an interval."""

_RESAMPLES, _SEED, _ENDS, _PAIRS = 2000, 0, [0.05, 0.95], 28


@dataclass(frozen=True, slots=True)
class Comparison:
    """Studies side by side: a table of them, and one of their differences; a warning if they cannot be compared."""

    studies: Mapping[str, Results]
    tables: Sequence[Table]
    warning: str


def compared(studies: Mapping[str, Results]) -> Comparison:
    """Compare studies of one objective.

    The expected best value of k trials is the mean of the best of k drawn with replacement (J. Dodge et al.: Show Your
    Work, EMNLP 2019); k is half of what the smallest study has, since the best of all trials cannot be resampled.
    Trials of a searcher that learns are not independent: intervals are then too narrow.
    """
    if len(studies) < 2:
        raise UsageError(f"Studies are compared with each other: name two or more; found {len(studies)}.")
    goals = {name: (found.objective.metric, found.objective.mode) for name, found in studies.items()}
    if len(set(goals.values())) > 1:
        objectives = "; ".join(f"{name} uses {metric} ({mode})" for name, (metric, mode) in goals.items())
        raise UsageError(f"Only studies of one objective can be compared: {objectives}.")
    metric, mode = next(iter(goals.values()))
    sign = 1.0 if mode == "max" else -1.0
    values = {
        name: sign * found.query(
            "select objective from trials where state <> 'failed' and isfinite(objective) and violation = 0"
        )["objective"].to_numpy()
        for name, found in studies.items()
    }  # fmt: skip
    draws = max(1, min((len(found) for found in values.values() if len(found) >= _MIN_TRIALS), default=0) // 2)
    again = {name: _expected(found, draws) for name, found in values.items() if len(found) >= _MIN_TRIALS}
    level = min(found.table("epochs").num_rows for found in studies.values())
    rows = []
    for name, results in studies.items():
        expected, resampled = again.get(name, (None, None))
        rows.append({
            "study": name,
            "best": results.best and results.best.value,
            "trials": results.table("trials").num_rows,
            "epochs": results.table("epochs").num_rows,
            "seconds": results.seconds,
            "best_at_level": progress(results)["best"][level - 1].as_py() if level else None,
            "expected_best": None if expected is None else sign * expected,
            "interval": None if resampled is None else sorted((sign * np.quantile(resampled, _ENDS)).tolist()),
        })  # fmt: skip
    columns = [
        Column("study", keep="whole"),
        Column("best", f"best {metric}", number, right=True, keep="whole"),
        Column("trials", right=True, keep="extra"),
        Column("epochs", right=True, keep="extra"),
        Column("seconds", "time", duration, right=True, keep="extra"),
        Column("best_at_level", f"after {counted(level, 'epoch')}", number, right=True, keep="whole"),
        Column("expected_best", f"expected of {counted(draws, 'trial')}", number, right=True, keep="whole"),
        Column("interval", "90% interval", interval(), right=True, keep="whole"),
    ]
    few, problems = [name for name in studies if name not in again], _problems(studies)
    note = f"{listed(few)}: an interval needs {_MIN_TRIALS} trials with a value, within any bounds." if few else ""
    facts = {"level_epochs": level, "expected_of_trials": draws if again else 0, "problems": problems}
    tables = [Table("Studies", columns, rows, note, "studies", facts)]
    if not problems and len(again) > 1:
        tables.append(_differences(again, draws))
    warning = f"These studies cannot be compared: none is called the best. {' '.join(problems)}" if problems else ""
    return Comparison(studies, tables, warning)


def _expected(values: _Reals, draws: int) -> tuple[float, _Reals]:
    """The expected best of `draws` draws, and the same of resampled trials; more is better."""
    count = len(values)
    places = np.arange(1, count + 1) / count
    weights = places**draws - (places - 1 / count) ** draws
    rng = np.random.default_rng(_SEED)
    # One by one: all resamples of a large study would take gigabytes.
    again = [np.sort(values[rng.integers(0, count, count)]) @ weights for _ in range(_RESAMPLES)]
    return float(np.sort(values) @ weights), np.array(again)


def _differences(again: Mapping[str, tuple[float, _Reals]], draws: int) -> Table:
    rows: list[dict[str, Any]] = []
    for names in combinations(again, 2):
        (first, ones), (second, others) = (again[name] for name in names)
        # Their resamples are independent of each other.
        apart = ones - np.random.default_rng(_SEED + 1).permutation(others)
        low, high = np.quantile(apart, _ENDS).tolist()
        better = "yes" if low > 0 else "the other" if high < 0 else "undetermined"
        rows.append({"studies": list(names), "ahead": first - second, "interval": [low, high], "better": better})
    columns = [
        Column("studies", "", " over ".join, keep="whole"),
        Column("ahead", "difference", number, right=True, keep="whole"),
        Column("interval", "90% interval", interval(), right=True, keep="whole"),
        Column("better", keep="whole"),
    ]
    note = (
        f"The difference of the expected best of {counted(draws, 'trial')}, above 0 where the first is better; it may "
        "lie outside of its interval, because a study has one seed."
    )
    return Table("Is the first better?", columns, rows, note, "differences", most=_PAIRS)


def _problems(studies: Mapping[str, Results]) -> list[str]:
    """Why studies cannot be compared: they were measured on different data, or differently."""
    found = []
    first, *others = studies
    for name in others:
        one, other = studies[first], studies[name]
        if one.data and other.data:
            differ = data_differences(one.data, other.data)
        else:
            differ = [] if one.job["data"] == other.job["data"] else ["Their jobs name other data."]
        if differ:
            found.append(f"{first} and {name} were trained on different data. {'; '.join(differ)}")
        for field, why in (("folds", "were evaluated on different rows"), ("repeats", "have values of unequal noise")):
            if one.job.get(field, 1) != other.job.get(field, 1):
                found.append(f"{first} and {name} {why}: their numbers of {field} differ.")
    for name, results in studies.items():
        for change in changes(results):
            found.append(f"{name} was continued with changed {change['kind']} in session {change['session']}.")
    return found
