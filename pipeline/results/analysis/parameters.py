"""The tuned hyperparameters of a study: their domains, their values by trial."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pipeline.results.tables.load import Results, cache_per_results, configs_of
from pipeline.space import Domain, ListedDomain, column_text, drawn_names, key_of
from pipeline.text import format_number, sanitize_line

_Reals = npt.NDArray[np.float64]
Columns: TypeAlias = Mapping[str, npt.NDArray[Any]]
"""Rows as columns of equal length."""

TRIAL, OBJECTIVE, STATE, PLACE = "_trial", "_objective", "_state", "_place"
_FIXED = {TRIAL: "trial_id", OBJECTIVE: "objective", STATE: "state", PLACE: "place"}
"""The columns of `scored` other than the parameters, whose names begin with a letter: one may be called objective."""

DECADES = 2
"""An axis of values that span more decades is logarithmic."""

_MAX_VALUES, _MAX_CHARACTERS = 12, 160


def format_value(value: Any) -> str:
    """A parameter's value: a number, a text or a boolean as Python writes it, anything else as JSON."""
    if isinstance(value, float):
        return format_number(value)
    return sanitize_line(str(value) if isinstance(value, bool | int) else column_text(value))


def domain_in_words(domain: Domain | Any) -> str:
    """What a parameter may be, as a job writes it."""
    text = sanitize_line(repr(domain)) if isinstance(domain, Domain) else f"fixed at {format_value(domain)}"
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…"


def span_in_words(domain: Domain | Any, values: Iterable[Any]) -> str:
    """Where some trials' values of a parameter lie: from the smallest to the largest, or each that there is."""
    # NaN stands for none.
    known = [value for value in values if value == value]
    if not known:
        return "–"
    if not isinstance(domain, Domain):
        return format_value(domain)
    if not isinstance(domain, ListedDomain):
        return " to ".join(dict.fromkeys(format_value(float(end)) for end in (min(known), max(known))))
    there = {format_value(value) for value in known}
    texts = [text for value in domain.values if (text := format_value(value)) in there]
    return ", ".join([*texts[:_MAX_VALUES], *(["…"] if len(texts) > _MAX_VALUES else [])])


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


def of_shown(shown: int, of: int) -> str:
    """The sentence that only some hyperparameters are shown; empty if all are."""
    return f"Of {of} hyperparameters, the first {shown} are shown." if shown < of else ""


@cache_per_results
def scored(results: Results) -> Columns:
    """Trials with a finite objective that did not fail, with the config in force at their best epoch; NaN stands for a
    parameter that a trial does not have.
    """
    names = ", ".join(f"{column} as {name}" for name, column in _FIXED.items())
    trials = results.query(
        f"select *, {names} from ranked where state <> 'failed' and isfinite(objective) "
        "order by length(trial_id), trial_id"
    )
    configs = configs_of(trials, results.space)
    columns = {name: trials[name].to_pylist() for name in _FIXED}
    columns |= {name: [config.get(name, np.nan) for config in configs] for name in tuned(results)}
    kinds = {OBJECTIVE: float, PLACE: int}
    # A value may be a list, of which NumPy would make another dimension.
    return {name: np.fromiter(values, kinds.get(name, object), len(values)) for name, values in columns.items()}


def scored_with(results: Results, parameter: str) -> Columns:
    """The scored trials that have a value of a parameter, without the columns of hundreds of other ones."""
    rows = scored(results)
    # NaN stands for none, and None is a value like any other.
    there = [value == value for value in rows[parameter]]
    return {name: rows[name][there] for name in (*_FIXED, parameter)}


def best_quarter(rows: Columns) -> Columns:
    """The best quarter of some scored trials, at least one, the best first."""
    first = np.argsort(rows[PLACE])[: max(1, len(rows[PLACE]) // 4)]
    return {name: values[first] for name, values in rows.items()}


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
