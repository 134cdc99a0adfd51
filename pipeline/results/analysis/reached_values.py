"""The values that trials reached at each epoch."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import trials_of_epochs
from pipeline.results.tables.unique_rows import reals
from pipeline.storage.schema import metric_column

_Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ReachedValues:
    """The objective at the epochs of trials. A matrix of all trials and epochs would be large if few train long."""

    trials: int
    trial: npt.NDArray[np.int64]
    epoch: npt.NDArray[np.int64]
    value: _Reals

    @property
    def last(self) -> int:
        """The largest epoch; 0 without values."""
        return int(self.epoch.max(initial=0))

    def at(self, epoch: int) -> _Reals:
        """The value of each trial at an epoch."""
        rows, values = self.epoch == epoch, np.full(self.trials, np.nan)
        values[self.trial[rows]] = self.value[rows]
        return values

    def best(self, sign: float) -> _Reals:
        """The largest value of each trial after multiplication by a sign."""
        best = np.full(self.trials, -np.inf)
        np.maximum.at(best, self.trial, sign * self.value)
        return best

    def curves(self, trials: npt.NDArray[np.int64]) -> _Reals:
        """The values of some trials at every epoch."""
        places = np.full(self.trials, -1)
        places[trials] = np.arange(len(trials))
        rows = np.flatnonzero(places[self.trial] >= 0)
        curves = np.full((len(trials), self.last), np.nan)
        curves[places[self.trial[rows]], self.epoch[rows] - 1] = self.value[rows]
        return curves


def reached_values(results: Results) -> ReachedValues:
    """The objective at each epoch, without that of failed trials."""
    column, trials, epochs = metric_column(results.objective.metric), results.table("trials"), results.table("epochs")
    if column not in epochs.column_names:
        return ReachedValues(trials.num_rows, np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    at, epoch, values = trials_of_epochs(results), np.asarray(epochs["epoch"], np.int64), reals(epochs[column])
    failed = np.asarray(pc.equal(trials["state"], "failed"), np.bool_)
    rows = np.flatnonzero((at >= 0) & (epoch >= 1) & np.isfinite(values))
    rows = rows[~failed[at[rows]]]
    return ReachedValues(trials.num_rows, at[rows], epoch[rows], values[rows])
