"""The tuned hyperparameters of a study: their values by trial, and their positions on an axis."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.results.analysis.influence import quarters, ranks, share_between
from pipeline.results.tables.configs import configs_of, given
from pipeline.results.tables.load import Results
from pipeline.results.tables.results_cache import cache_per_results
from pipeline.results.tables.trials import best_rows, ranked
from pipeline.results.tables.unique_rows import reals
from pipeline.space import ListedDomain, drawn_names, key_of

if TYPE_CHECKING:
    import pandas as pd


TRIAL, OBJECTIVE, STATE, VIOLATION = "_trial", "_objective", "_state", "_violation"
"""The columns of `scored` other than the parameters, whose names begin with a letter: one may be called objective."""

_MIN_TRIALS, _MAX_TRIALS = 12, 1000


def tuned(results: Results) -> list[str]:
    """The parameters that are drawn: constants aside."""
    return drawn_names(results.space)


@cache_per_results
def by_influence(results: Results) -> Sequence[str]:
    """The tuned parameters, the one with the largest share of the variance of ranks first.

    For each parameter, the share of the variance of the ranks that lies between its values, or between quarters of its
    range of values, above what chance would give. This is quick, and looks at one parameter at a time: `importances`
    answers what mattered.
    """
    names = tuned(results)
    if not influence_is_known(results):
        return names
    valued = np.flatnonzero(_valued(results))
    chosen = np.linspace(0, len(valued) - 1, min(len(valued), _MAX_TRIALS)).round().astype(int)
    rows = results.trials.iloc[valued[chosen]]
    ranked = ranks(rows["objective"].to_numpy(np.float64))
    shares = {}
    for name in names:
        places = config_positions(results, rows, name)
        parts = places if isinstance(results.space[name], ListedDomain) else quarters(places)
        shares[name] = share_between(parts, ranked)
    return sorted(names, key=lambda name: -shares[name])


def influence_is_known(results: Results) -> bool:
    """Whether there are enough trials to say which parameters have the most influence on a trial's rank."""
    return int(_valued(results).sum()) >= _MIN_TRIALS


def _valued(results: Results) -> npt.NDArray[np.bool_]:
    """Which trials have a finite objective and did not fail."""
    trials = results.table("trials")
    return np.isfinite(reals(trials["objective"])) & np.asarray(pc.not_equal(trials["state"], "failed"), np.bool_)


def shown_parameters(results: Results, most: int) -> Sequence[str]:
    """The tuned parameters that a picture or a table shows: all, or those with the most influence on a trial's rank."""
    names = tuned(results)
    return names if len(names) <= most else by_influence(results)[:most]


@cache_per_results
def scored(results: Results) -> "pd.DataFrame":
    """Trials with a finite objective that did not fail: one row each, with the config in force at its best epoch."""
    import pandas as pd

    trials = results.table("trials")
    there = _valued(results)
    fixed = {TRIAL: "trial_id", OBJECTIVE: "objective", STATE: "state", VIOLATION: "violation"}
    chosen = trials.select(list(fixed.values())).filter(pa.array(there)).rename_columns(list(fixed))
    rows = best_rows(results)[there]
    epochs = results.table("epochs")
    drawn = epochs.select([name for name in epochs.column_names if name.startswith("config_")])
    configs = configs_of(drawn.take(pa.array(rows, mask=rows < 0)), results.space)
    values = {name: [config.get(name, np.nan) for config in configs] for name in tuned(results)}
    return pd.DataFrame({**chosen.to_pydict(), **values}, dtype=object).astype({OBJECTIVE: float, VIOLATION: float})


def scored_with(results: Results, parameter: str) -> "pd.DataFrame":
    """The scored trials that have a value of a parameter, without the columns of hundreds of other ones."""
    rows = scored(results)[[TRIAL, OBJECTIVE, STATE, VIOLATION, parameter]]
    return rows[given(rows[parameter])]


def within_bounds(results: Results) -> "pd.DataFrame":
    """The scored trials within the bounds of all objectives."""
    rows = scored(results)
    return rows[rows[VIOLATION] == 0]


def axis_positions(domain: Any, values: "pd.Series", *, spread: bool = False) -> npt.NDArray[np.float64]:
    """Where values lie on their axis: numbers as they are, listed ones by their position."""
    if not isinstance(domain, ListedDomain):
        return values.to_numpy(np.float64)
    known = {key_of(value): float(place) for place, value in enumerate(domain.values)}
    # Most values are text or numbers, and few of them differ.
    met: dict[tuple[type, Any], float] = {}
    places = np.empty(len(values))
    for row, value in enumerate(values):
        if isinstance(value, list | dict):
            places[row] = known.get(key_of(value), np.nan)
            continue
        key = (type(value), value)
        if key not in met:
            met[key] = known.get(key_of(value), np.nan)
        places[row] = met[key]
    if spread:
        for place in np.unique(places):
            mine = np.flatnonzero(places == place)
            # A fixed pattern rather than chance: the same study gives the same picture.
            places[mine] += 0.3 * (np.arange(len(mine)) * 0.618 % 1 - 0.5) if len(mine) > 1 else 0.0
    return places


def config_positions(results: Results, rows: "pd.DataFrame", parameter: str) -> npt.NDArray[np.float64]:
    """Where a parameter's values in rows of `trials` or `epochs` lie on its axis; NaN where there is none."""
    import pandas as pd

    column, domain = f"config_{parameter}", results.space[parameter]
    if not isinstance(domain, ListedDomain):
        return rows[column].to_numpy(np.float64, na_value=np.nan)
    # Each kind of value is looked for once: there are as many as the domain has.
    codes, kinds = pd.factorize(rows[column])
    configs = configs_of(pd.DataFrame({column: kinds}), {parameter: domain})
    places = axis_positions(domain, pd.Series([config[parameter] for config in configs], dtype=object))
    return np.append(places, np.nan)[codes]


def best_quarter(results: Results, rows: "pd.DataFrame") -> "pd.DataFrame":
    """The best quarter of some scored trials, at least one, the best first."""
    best_first = np.argsort(_places(results)[rows.index], kind="stable")
    return rows.iloc[best_first[: max(1, len(rows) // 4)]]


@cache_per_results
def _places(results: Results) -> npt.NDArray[np.int64]:
    """The place of each row of `scored` among all trials, the best first."""
    trials, order = (pa.array(ids, pa.string()) for ids in (scored(results)[TRIAL], ranked(results)))
    return np.asarray(pc.index_in(trials, value_set=order), np.int64)
