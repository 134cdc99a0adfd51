"""Learning curves that a study has recorded in its tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataError, UsageError
from pipeline.results.analysis.queries import ended_by_itself, epoch_seconds
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import configs_of, objective_column
from pipeline.simulation.curves import Curve, CurveSource, Encoding
from pipeline.space import Config, fits
from pipeline.storage.schema import metric_column
from pipeline.study import TuneJob
from pipeline.text import counted

_SECONDS = ["seconds_train", "seconds_evaluate", "seconds_checkpoint"]


@dataclass(frozen=True, slots=True)
class _Record:
    """A recorded trial: its first segment, up to its last finite value, with a value for each epoch."""

    number: int
    config: Config
    values: list[float]
    seconds: list[float]
    start: float
    steady_seconds: float
    failure: str | None
    ended: bool = False
    others: Mapping[str, list[float]] = field(default_factory=dict)


class RecordedCurves(CurveSource):
    """Curves of recorded trials: each config has the curve of the nearest recorded config.

    A curve that is too short, because its trial was stopped early, is extended: each additional epoch gains the median
    gain of recorded trials at that epoch, but never beyond the best value recorded. Trials that trained longer were the
    better ones, so extended curves are rather too good. Epochs that were not validated are interpolated. Trials that
    failed or ended by themselves do so again. Of trials that took over the weights of others, only the epochs before
    are used.
    """

    def __init__(
        self, results: Results, job: TuneJob, *, seconds_per_epoch: float | None, seconds_per_start: float | None
    ) -> None:
        if job.scheduler.exploits:
            raise UsageError(
                f"Recorded curves do not show how a trial continues with another's weights, as {job.scheduler.kind} "
                "needs. Simulate it with --curves synthetic, or choose another --scheduler."
            )
        self._name, self._epochs = results.name, job.budget.epochs
        column = metric_column(job.objective.metric)
        if column not in results.epochs:
            raise DataError(
                f"The study {results.name!r} has no values of {job.objective.metric!r}, the objective of job "
                f"{job.name!r}; its own is {results.objective.metric!r}. Simulate a job of the same objective."
            )
        self._encoding = Encoding(job.space)
        columns = {one.metric: objective_column(one.metric, results) for one in job.objectives[1:]}
        recorded = _records(
            results, column, {metric: name for metric, name in columns.items() if name in results.epochs}
        )
        usable = [record for record in recorded if fits(job.space, record.config) and (record.values or record.failure)]
        if not any(record.values for record in usable):
            raise DataError(
                f"None of the {len(recorded)} trials of the study {results.name!r} has a curve and a config of the "
                f"space of job {job.name!r}. Simulate the study's own job, or use --curves synthetic."
            )
        self._records, self._unused = usable, len(recorded) - len(usable)
        self._seconds_per_epoch, self._seconds_per_start = seconds_per_epoch, seconds_per_start
        self._numbers = np.array([record.number for record in usable])
        self._rows = np.array([self._encoding.row(record.config) for record in usable]).reshape(len(usable), -1)
        self._gains = _gains([record.values for record in usable], self._epochs)
        best = max if job.objective.mode == "max" else min
        self._best, self._better = best(value for record in usable for value in record.values), best
        self._curves: dict[int, Curve] = {}

    def curve(self, index: int, segment: int, config: Config) -> Curve:
        """The curve of the nearest recorded config; of several, that of the same trial number if there is one."""
        distances = self._encoding.distances(self._encoding.row(config), self._rows)
        nearest = np.flatnonzero(distances == distances.min())
        same = nearest[self._numbers[nearest] == index]
        chosen = int(same[0] if len(same) else nearest[index % len(nearest)])
        if chosen not in self._curves:
            self._curves[chosen] = self._extended(self._records[chosen])
        return self._curves[chosen]

    def description(self) -> Mapping[str, Any]:
        """The study, how many of its trials are used, and the duration of their epochs."""
        epochs = [len(record.values) for record in self._records]
        count = counted(len(self._records), "recorded trial")
        complete = sum(length >= self._epochs for length in epochs)
        note = (
            f"Curves are those of {count} of {self._name!r}, {complete} of them complete; each config gets the curve "
            "of the nearest recorded config. Shorter curves are extended by the median gain of the others."
        )
        if self._unused:
            note += f" {counted(self._unused, 'trial')} of other spaces, or without a value, are not used."
        return {
            "source": self._name,
            "recorded_trials": len(self._records),
            "whole_trials": complete,
            "seconds_per_epoch": self._seconds_per_epoch,
            "seconds_per_start": self._seconds_per_start,
            "note": note,
        }

    def _extended(self, record: _Record) -> Curve:
        values, known = list(record.values), len(record.values)
        seconds = list(record.seconds)
        if record.failure is None and not record.ended:
            for epoch in range(known, self._epochs):
                gained = values[-1] + self._gains[epoch - 1]
                # No value beyond the best recorded one is extrapolated.
                values.append(gained if self._better(gained, self._best) == self._best else self._best)
            # Without a steady epoch in the study, the durations of the recorded ones are the best estimate.
            steady_seconds = (
                record.steady_seconds if np.isfinite(record.steady_seconds) else float(np.mean(record.seconds))
            )
            seconds += [steady_seconds] * (len(values) - known)
        if self._seconds_per_epoch is not None:
            seconds = [self._seconds_per_epoch] * len(values)
        start = record.start if self._seconds_per_start is None else self._seconds_per_start
        # What a trial costs hardly changes; that of the last epoch is the best estimate.
        others = {
            metric: [*series, *series[-1:] * (len(values) - known)]
            for metric, series in record.others.items()
            if series
        }
        return Curve(values, seconds, start, values, known, record.failure, record.ended, others)


def _records(results: Results, column: str, columns: Mapping[str, str]) -> list[_Record]:
    first = results.epochs[results.epochs["segment"] == 1]
    ids = first["trial_id"].to_numpy()
    # Rows are sorted by trial and epoch; pandas' groupby takes a hundred times as long.
    first_rows = np.flatnonzero(ids != np.roll(ids, 1)) if len(set(ids)) > 1 else np.arange(min(len(ids), 1))
    values = np.split(first[column].to_numpy(np.float64), first_rows[1:])
    others = {
        metric: np.split(first[name].to_numpy(np.float64, na_value=np.nan), first_rows[1:])
        for metric, name in columns.items()
    }
    seconds = np.split(first[_SECONDS].fillna(0.0).to_numpy(np.float64).sum(axis=1), first_rows[1:])
    starts = first["seconds_build"].fillna(0.0).to_numpy(np.float64)[first_rows]
    groups = {str(trial_id): index for index, trial_id in enumerate(ids[first_rows])}
    configs = configs_of(first.iloc[first_rows], results.space)
    records = []
    trials: Any = results.trials.to_dict("records")
    steady = epoch_seconds(results)
    for trial, drawn in zip(trials, configs_of(results.trials, results.space), strict=True):
        known = steady[trial["trial_id"]]
        steady_seconds = float("nan") if known is None else known
        number, group = int(trial["trial_id"]), groups.get(trial["trial_id"])
        if group is None:
            records.append(_Record(number, drawn, [], [], 0.0, steady_seconds, _failure(trial)))
            continue
        # A trial that diverged ends with a value that is not finite; before that, epochs may lack validation.
        finite = np.flatnonzero(np.isfinite(values[group]))
        count = int(finite[-1]) + 1 if len(finite) else 0
        # A trial with several segments ended under another config.
        complete = len(values[group]) == trial["epochs"]
        records.append(
            _Record(
                number,
                configs[group],
                _interpolated(values[group][:count]),
                seconds[group][:count].tolist(),
                float(starts[group]),
                steady_seconds,
                _failure(trial) if complete else None,
                complete and ended_by_itself(trial, results),
                {metric: _interpolated(series[group][:count]) for metric, series in others.items()},
            )
        )
    return records


def _interpolated(values: npt.NDArray[np.float64]) -> list[float]:
    """Values of each epoch, without gaps: linear between two known values, and constant before and after them."""
    known = np.flatnonzero(np.isfinite(values))
    return np.interp(np.arange(len(values)), known, values[known]).tolist() if len(known) else values.tolist()


def _failure(trial: Mapping[str, Any]) -> str | None:
    if trial["state"] != "failed":
        return None
    lines = str(trial["error"] or "").splitlines()
    return lines[0] if lines and lines[0] else "It failed when it was recorded."


def _gains(curves: list[list[float]], epochs: int) -> npt.NDArray[np.float64]:
    """The median gain of curves from each epoch to the next; 0 if no curve is that long."""
    gains = np.zeros(epochs)
    for epoch in range(1, epochs):
        steps = [values[epoch] - values[epoch - 1] for values in curves if len(values) > epoch]
        gains[epoch - 1] = float(np.median(steps)) if steps else 0.0
    return gains
