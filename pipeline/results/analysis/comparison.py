"""A comparison of several studies: which is better, with what confidence, and where they agree."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.datasets import differences as data_differences
from pipeline.errors import UsageError
from pipeline.pareto import dominated_box, growing_hypervolume
from pipeline.results.analysis.early_stopping import MIN_TRIALS
from pipeline.results.analysis.queries import changes, progress, timed
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import objective_column, quoted

_Reals = npt.NDArray[np.float64]
_Rows = list[dict[str, Any]]

MIN_SEEDS = 3
"""The fewest studies that differ only in their seed for an interval of their mean."""

_RESAMPLES, _SEED, _ENDS = 2000, 0, [0.05, 0.95]
_FREE = ("name", "description", "seed", "resources", "checkpoints")
"""Fields in which studies of the same question may differ."""


@dataclass(frozen=True, slots=True)
class HypervolumeBox:
    """The box in the objectives' space whose dominated share is measured."""

    best: Mapping[str, float]
    reference: Mapping[str, float]


def box_of(studies: Sequence[Results]) -> HypervolumeBox | None:
    """The box for one study of several objectives, or a common one for several studies of the same; else None."""
    first = studies[0].objectives
    if len(first) < 2 or any(results.objectives != first for results in studies):
        return None
    points = np.concatenate([_losses(results)[0] for results in studies])
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return None
    signs = [-1.0 if one.mode == "max" else 1.0 for one in first]
    ends = (
        {one.metric: sign * float(at) for one, sign, at in zip(first, signs, corner, strict=True)}
        for corner in dominated_box(points)
    )
    return HypervolumeBox(*ends)


def hypervolumes(results: Results, box: HypervolumeBox) -> pa.Table:
    """How the dominated share of a box grew, over every epoch that counts or not: `epochs` and `share`."""
    losses, signs = _losses(results)
    ideal, corner = (signs * np.array(list(at.values())) for at in (box.best, box.reference))
    share = growing_hypervolume((losses - ideal) / (corner - ideal), np.ones(len(signs)))
    return pa.table({"epochs": np.arange(1, len(share) + 1), "share": share})


def hypervolume_of(results: Results, box: HypervolumeBox | None = None) -> tuple[HypervolumeBox, float] | None:
    """A box, a study's own unless given, and the share of it that its trials dominate; None if there is no box."""
    if box is None and (box := box_of([results])) is None:
        return None
    share = hypervolumes(results, box)["share"].to_pylist()
    return box, share[-1] if share else 0.0


def _losses(results: Results) -> tuple[_Reals, _Reals]:
    """The losses of all epochs in order of time, NaN for those that do not count, and each objective's sign."""
    columns = results.table("epochs").column_names
    names = [objective_column(one.metric, results) for one in results.objectives]
    values = ", ".join(f"e.{quoted(name)}::double" if name in columns else "null::double" for name in names)
    rows = results.query(f"""
        select case when t.counts then [{values}] end as losses
        from {timed(results)} t join epochs e using (trial_id, epoch) order by t.seconds, t.trial_id, t.epoch
    """)["losses"].to_pylist()
    signs, none = np.array([-1.0 if one.mode == "max" else 1.0 for one in results.objectives]), [None] * len(names)
    return signs * np.array([row or none for row in rows], np.float64).reshape(-1, len(names)), signs


@dataclass(frozen=True, slots=True)
class Comparison:
    """Studies side by side, as rows: each study, each pair, studies that differ only in their seed."""

    studies: Mapping[str, Results]
    level: int
    """Epochs after which `best_at_level` is compared: those of the study with the fewest."""
    draws: int
    """Trials of which `expected_best` is the best."""
    box: HypervolumeBox | None
    problems: Sequence[str]
    """Why the studies cannot be compared, in sentences."""
    members: _Rows
    differences: _Rows
    seeds: _Rows


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
    sign = 1.0 if next(iter(goals.values()))[1] == "max" else -1.0
    values = {
        name: sign * found.query(
            "select objective from trials where state <> 'failed' and isfinite(objective) and violation = 0"
        )["objective"].to_numpy()
        for name, found in studies.items()
    }  # fmt: skip
    draws = max(1, min((len(found) for found in values.values() if len(found) >= MIN_TRIALS), default=0) // 2)
    again = {name: _expected(found, draws) for name, found in values.items() if len(found) >= MIN_TRIALS}
    level, box = min(found.table("epochs").num_rows for found in studies.values()), box_of(list(studies.values()))
    members = []
    for name, results in studies.items():
        expected, resampled = again.get(name, (None, None))
        low, high = (None, None) if resampled is None else sorted((sign * np.quantile(resampled, _ENDS)).tolist())
        volume = hypervolume_of(results, box) if box else None
        members.append({
            "study": name,
            "best": results.best and results.best.value,
            "trials": results.table("trials").num_rows,
            "epochs": results.table("epochs").num_rows,
            "seconds": results.seconds,
            "best_at_level": progress(results)["best"][level - 1].as_py() if level else None,
            "expected_best": None if expected is None else sign * expected,
            "interval": [low, high],
            "hypervolume": volume and volume[1],
        })  # fmt: skip
    problems = _problems(studies)
    pairs = [] if problems else combinations(again, 2)
    differences = [_difference(pair, again) for pair in pairs]
    return Comparison(studies, level, draws if again else 0, box, problems, members, differences, _seeds(studies))


def _expected(values: _Reals, draws: int) -> tuple[float, _Reals]:
    """The expected best of `draws` draws, and the same of resampled trials; more is better."""

    def weights(count: int) -> _Reals:
        places = np.arange(1, count + 1) / count
        found: _Reals = places**draws - (places - 1 / count) ** draws
        return found

    narrow = min(len(values), 2000)
    sample = np.random.default_rng(_SEED).integers(0, len(values), (_RESAMPLES, narrow))
    return float(np.sort(values) @ weights(len(values))), np.sort(values[sample], axis=1) @ weights(narrow)


def _difference(pair: tuple[str, str], again: Mapping[str, tuple[float, _Reals]]) -> dict[str, Any]:
    (first, ones), (second, others) = (again[name] for name in pair)
    # Their resamples are independent of each other.
    apart = ones - np.random.default_rng(_SEED + 1).permutation(others)
    low, high = np.quantile(apart, _ENDS).tolist()
    return {
        "studies": list(pair), "ahead": first - second, "interval": [low, high],
        "share_of_resamples": float((apart > 0).mean() + (apart == 0).mean() / 2),
        "better": "yes" if low > 0 else "the other" if high < 0 else "undetermined",
    }  # fmt: skip


def _seeds(studies: Mapping[str, Results]) -> _Rows:
    """Studies that differ only in their seed, with the mean of their best values."""
    fixed = {
        name: [{field: value for field, value in results.job.items() if field not in _FREE}, results.data]
        for name, results in studies.items()
    }
    found = []
    for names in _grouped(fixed):
        bests = np.array([best.value for name in names if (best := studies[name].best) is not None])
        if len(bests) < 2 or len({studies[name].job["seed"] for name in names}) < len(names):
            continue
        interval = None
        if len(bests) >= MIN_SEEDS:
            sample = np.random.default_rng(_SEED).integers(0, len(bests), (_RESAMPLES, len(bests)))
            interval = np.quantile(bests[sample].mean(axis=1), _ENDS).tolist()
        found.append({"studies": names, "mean_best": float(bests.mean()), "interval": interval})
    return found


def _problems(studies: Mapping[str, Results]) -> list[str]:
    """Why studies cannot be compared: they were measured on different data, or differently."""
    found = []
    data = _grouped({name: results.data or results.job["data"] for name, results in studies.items()})
    if len(data) > 1:
        differ = data_differences(*(studies[names[0]].data or {} for names in data[:2]))
        if differ or any(results.data is None for results in studies.values()):
            groups = ", ".join(f"{', '.join(names)} on {_data(studies[names[0]].job['data'])}" for names in data)
            also = f" In the second, {'; '.join(differ)}." if differ else ""
            found.append(f"They were trained on different data: {groups}.{also}")
    for name, results in studies.items():
        for change in changes(results):
            found.append(f"{name} was continued with changed {change['kind']} in session {change['session']}.")
    folds = {name: results.job.get("folds", 1) for name, results in studies.items()}
    if len(set(folds.values())) > 1:
        rows = ", ".join(f"{name} by {f'{n} folds' if n > 1 else 'the validation split'}" for name, n in folds.items())
        found.append(f"They were evaluated on different rows: {rows}.")
    return found


def _grouped(values: Mapping[str, Any]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for name, value in values.items():
        groups.setdefault(json.dumps(value, sort_keys=True), []).append(name)
    return list(groups.values())


def _data(data: Any) -> str:
    if isinstance(data, Mapping):
        return f"what {str(data['function']).rpartition(':')[2]}() returns"
    return "no data set" if data is None else str(data)
