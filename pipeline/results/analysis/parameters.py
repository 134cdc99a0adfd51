"""The tuned hyperparameters of a study: their domains, their values by trial, their influence on a trial's rank."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.results.tables.load import Results, cache_per_results
from pipeline.results.tables.trials import configs_of, given
from pipeline.space import (
    Choice,
    Domain,
    Grid,
    IntUniform,
    ListedDomain,
    LogUniform,
    Normal,
    QUniform,
    Switch,
    Uniform,
    column_text,
    drawn_names,
    key_of,
)
from pipeline.text import format_number, sanitize_line

if TYPE_CHECKING:
    import pandas as pd

_Reals = npt.NDArray[np.float64]

TRIAL, OBJECTIVE, STATE, VIOLATION = "_trial", "_objective", "_state", "_violation"
"""The columns of `scored` other than the parameters, whose names begin with a letter: one may be called objective."""

DECADES = 2
"""An axis of values that span more decades is logarithmic."""

_MIN_TRIALS, _MAX_TRIALS = 12, 1000
_MAX_VALUES, _MAX_CHARACTERS, _MAX_PLACES = 12, 60, 8


def format_value(value: Any) -> str:
    """A parameter's value: a number, a text or a boolean as Python writes it, anything else as JSON."""
    if isinstance(value, float):
        return format_number(value)
    return sanitize_line(str(value) if isinstance(value, bool | int) else column_text(value))


def some_values(values: Sequence[str], separator: str = ", ") -> str:
    """The text of values in a row; of more than 12 the first five, and how many others there are. Long ones are cut."""
    shown = values if len(values) <= _MAX_VALUES else values[:5]
    texts = [text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…" for text in shown]
    left = len(values) - len(shown)
    return separator.join([*texts, *([f"… ({left:,} others)"] if left else [])])


def domain_in_words(domain: Domain | Any) -> str:
    """What a parameter may be."""
    match domain:
        case LogUniform(low=low, high=high):
            return f"{low:g} to {high:g}, uniform in the logarithm"
        case IntUniform(low=low, high=high, log=log, step=step):
            steps = f" in steps of {step}" if step > 1 else ""
            return f"whole numbers from {low} to {high}{steps}" + (", uniform in the logarithm" if log else "")
        case QUniform(low=low, high=high, q=q):
            return f"{low:g} to {high:g} in steps of {q:g}"
        case Uniform(low=low, high=high):
            return f"{low:g} to {high:g}, uniform"
        case Normal(mean=mean, std=std):
            return f"normal with mean {mean:g} and standard deviation {std:g}"
        case Switch():
            return "one of " + some_values(domain.values) + ", each with its own hyperparameters"
        case Choice(values=values) | Grid(values=values):
            return "one of " + some_values([format_value(value) for value in values])
    return f"fixed at {format_value(domain)}"


def span_in_words(domain: Domain | Any, values: Iterable[Any]) -> str:
    """Where some trials' values of a parameter lie: from the smallest to the largest, or each that there is."""
    # NaN stands for none.
    known = [value for value in values if value == value]
    if not known:
        return "–"
    if isinstance(domain, ListedDomain):
        there = {format_value(value) for value in known}
        return some_values([value for value in map(format_value, domain.values) if value in there])
    return " to ".join(dict.fromkeys(format_value(float(end)) for end in (min(known), max(known))))


def spans_decades(low: float, high: float) -> bool:
    """Whether positive values span more than `DECADES`."""
    return bool(low > 0 and high > low * 10**DECADES)


def is_log(domain: Any) -> bool:
    """Whether the axis of a parameter is logarithmic: its domain is, or its bounds span more than `DECADES`."""
    if not isinstance(domain, Domain):
        return False
    return domain.logarithmic or (domain.bounds is not None and spans_decades(*domain.bounds))


def tuned(results: Results) -> list[str]:
    """The parameters that are drawn."""
    return drawn_names(results.space)


def shown_parameters(results: Results, most: int) -> Sequence[str]:
    """The tuned parameters that a picture or a table shows: all, or those with the most influence on a trial's rank."""
    names = tuned(results)
    return names if len(names) <= most else by_influence(results)[:most]


def of_shown(results: Results, shown: int, of: int) -> str:
    """The sentence that only some hyperparameters are shown; empty if all are."""
    if shown >= of:
        return ""
    known = _valued(results).num_rows >= _MIN_TRIALS
    which = f"the {shown} with the most influence on a trial's rank" if known else f"the first {shown}"
    return f"Of {of} hyperparameters, {which} are shown."


@cache_per_results
def by_influence(results: Results) -> Sequence[str]:
    """The tuned parameters, the one with the largest influence on a trial's rank first, each by itself."""
    names, trials = tuned(results), _valued(results)
    if trials.num_rows < _MIN_TRIALS:
        return names
    rows = np.linspace(0, trials.num_rows - 1, min(trials.num_rows, _MAX_TRIALS)).round().astype(int)
    trials = trials.take(pa.array(rows))
    ranked = ranks(trials["objective"].to_numpy())
    shares = {name: share_between(config_positions(results, trials, name), ranked) for name in names}
    return sorted(names, key=lambda name: -shares[name])


@cache_per_results
def _valued(results: Results) -> pa.Table:
    """The trials with a finite objective that did not fail."""
    return results.query(
        "select * from trials where state <> 'failed' and isfinite(objective) order by length(trial_id), trial_id"
    )


def ranks(values: npt.ArrayLike) -> _Reals:
    """The ranks of values from 1, ties with their mean rank."""
    _, codes, counts = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    found: _Reals = (np.cumsum(counts) - (counts - 1) / 2)[codes]
    return found


def share_between(places: _Reals, ranked: _Reals) -> float:
    """The adjusted share of the variance of ranks between values of an axis, or the quarters of many: 0 is chance."""
    known = np.isfinite(places)
    places, ranked = places[known], ranked[known]
    if len(np.unique(places)) > _MAX_PLACES:
        places = np.searchsorted(np.quantile(places, [0.25, 0.5, 0.75]), places).astype(float)
    groups = [ranked[places == part] for part in np.unique(places)]
    spare, variance = len(ranked) - len(groups), ranked.var(ddof=1) if len(ranked) > 1 else 0.0
    if spare < 1 or variance == 0:
        return 0.0
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / spare
    return max(0.0, 1 - within / float(variance))


@cache_per_results
def scored_columns(results: Results) -> dict[str, list[Any]]:
    """The columns of `scored`, each as a list; NaN stands for a parameter that a trial does not have."""
    trials = _valued(results)
    configs = configs_of(trials, results.space)
    fixed = {TRIAL: "trial_id", OBJECTIVE: "objective", STATE: "state", VIOLATION: "violation"}
    columns = {name: trials[column].to_pylist() for name, column in fixed.items()}
    return columns | {name: [config.get(name, np.nan) for config in configs] for name in tuned(results)}


@cache_per_results
def scored(results: Results) -> "pd.DataFrame":
    """Trials with a finite objective that did not fail: one row each, with the config in force at its best epoch."""
    import pandas as pd

    return pd.DataFrame(scored_columns(results), dtype=object).astype({OBJECTIVE: float, VIOLATION: float})


def scored_with(results: Results, parameter: str) -> "pd.DataFrame":
    """The scored trials that have a value of a parameter, without the columns of hundreds of other ones."""
    rows = scored(results)[[TRIAL, OBJECTIVE, STATE, VIOLATION, parameter]]
    return rows[given(rows[parameter])]


def best_quarter(results: Results, rows: "pd.DataFrame") -> "pd.DataFrame":
    """The best quarter of some scored trials, at least one, the best first."""
    place = dict(zip(*(_ranked(results)[name].to_pylist() for name in ("trial_id", "place")), strict=True))
    order = sorted(range(len(rows)), key=[place[trial] for trial in rows[TRIAL]].__getitem__)
    return rows.iloc[order[: max(1, len(rows) // 4)]]


@cache_per_results
def _ranked(results: Results) -> pa.Table:
    return results.query("select trial_id, place from ranked order by place")


def axis_positions(domain: Any, values: Iterable[Any], *, spread: bool = False) -> _Reals:
    """Where values lie on their axis: numbers as they are, listed ones by their position, NaN for any other."""
    if not isinstance(domain, ListedDomain):
        return np.array([np.nan if value is None else float(value) for value in values])
    known = {key_of(value): float(place) for place, value in enumerate(domain.values)}
    places = np.array([known.get(key_of(value), np.nan) if value == value else np.nan for value in values], np.float64)
    if spread:
        for place in np.unique(places):
            mine = np.flatnonzero(places == place)
            # A fixed pattern rather than chance: the same study gives the same picture.
            places[mine] += 0.3 * (np.arange(len(mine)) * 0.618 % 1 - 0.5) if len(mine) > 1 else 0.0
    return places


def config_positions(results: Results, table: pa.Table, parameter: str) -> _Reals:
    """Where a parameter's values in rows of `trials` or `epochs` lie on its axis; NaN where there is none."""
    column, domain = table[f"config_{parameter}"], results.space[parameter]
    if not isinstance(domain, ListedDomain):
        return np.asarray(column.cast(pa.float64()).fill_null(np.nan), np.float64)
    # Each kind of value is looked for once: there are as many as the domain has.
    kinds = column.combine_chunks().dictionary_encode()
    configs = configs_of(pa.table({f"config_{parameter}": kinds.dictionary}), {parameter: domain})
    places = axis_positions(domain, [config.get(parameter, np.nan) for config in configs])
    found: _Reals = np.append(places, np.nan)[kinds.indices.fill_null(len(places)).to_numpy()]
    return found
