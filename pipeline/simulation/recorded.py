"""Learning curves that a study has recorded, as its tables have them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataError, UsageError
from pipeline.results.load import Results, configs_of
from pipeline.results.summary import counted
from pipeline.simulation.curves import Curve, Curves
from pipeline.simulation.encoding import Encoding
from pipeline.space import Config, fits
from pipeline.storage.schema import metric_column
from pipeline.study import TuneJob

__all__ = ["Recorded"]

_SECONDS = ["seconds_train", "seconds_evaluate", "seconds_checkpoint"]


@dataclass(frozen=True, slots=True)
class _Record:
    """What is known of one recorded trial: its first segment, up to its first value that is not finite."""

    number: int
    config: Config
    values: list[float]
    seconds: list[float]
    start: float
    failure: str | None
    ended: bool = False


class Recorded(Curves):
    """A drawn config learns as the recorded one that is nearest to it, which is itself where it was recorded.

    A curve that ends before it is needed, since its trial was stopped early, is extended: each further epoch gains
    what recorded trials gained there in the median, and never more than brings it to the best value recorded. Those
    that trained on were the better ones, so extended curves are rather too good. Who failed or ended by itself does so
    again. Of trials that took over others' weights only what came before is used.

    Args:
        results: The study.
        job: What is simulated.
        seconds_per_epoch: How long each epoch takes; as recorded unless given.
        seconds_per_start: What a worker needs each time that it begins or goes on with a trial; as recorded unless
            given.

    Raises:
        UsageError: The job's scheduler needs more than curves.
        DataError: The study has no curves of the job's objective and space.
    """

    def __init__(
        self, results: Results, job: TuneJob, *, seconds_per_epoch: float | None, seconds_per_start: float | None
    ) -> None:
        if job.scheduler.exploits:
            raise UsageError(
                f"Recorded curves do not say how a trial goes on with another's weights, as {job.scheduler.kind} has "
                "it. Simulate it with --curves synthetic, or take another --scheduler."
            )
        self._name, self._epochs = results.name, job.budget.epochs
        column = metric_column(job.objective.metric)
        if column not in results.epochs:
            raise DataError(
                f"The study {results.name!r} has no values of {job.objective.metric!r}, the objective of job "
                f"{job.name!r}; its own is {results.objective.metric!r}. Simulate a job of the same objective."
            )
        self._encoding = Encoding(job.space)
        recorded = _records(results, column)
        fitting = [one for one in recorded if fits(job.space, one.config) and (one.values or one.failure)]
        if not any(one.values for one in fitting):
            raise DataError(
                f"None of the {len(recorded)} trials of the study {results.name!r} has a curve and a config of the "
                f"space of job {job.name!r}. Simulate the job it was run with, or take --curves synthetic."
            )
        self._records, self._left_out = fitting, len(recorded) - len(fitting)
        self._given, self._start = seconds_per_epoch, seconds_per_start
        self._numbers = np.array([one.number for one in fitting])
        self._rows = np.array([self._encoding.row(one.config) for one in fitting]).reshape(len(fitting), -1)
        self._gains = _gains([one.values for one in fitting], self._epochs)
        best = max if job.objective.mode == "max" else min
        self._best, self._better = best(value for one in fitting for value in one.values), best
        self._made: dict[int, Curve] = {}

    def curve(self, index: int, segment: int, config: Config) -> Curve:
        """The curve of the nearest recorded config; of several of the same distance the one of that number, if any."""
        distances = self._encoding.distances(self._encoding.row(config), self._rows)
        near = np.flatnonzero(distances == distances.min())
        same = near[self._numbers[near] == index]
        place = int(same[0] if len(same) else near[index % len(near)])
        if place not in self._made:
            self._made[place] = self._extended(self._records[place])
        return self._made[place]

    def described(self) -> Mapping[str, Any]:
        """The study, how many of its trials are used, and how long their epochs take."""
        epochs = [len(one.values) for one in self._records]
        count = counted(len(self._records), "recorded trial")
        whole = sum(length >= self._epochs for length in epochs)
        note = (
            f"Curves are those of {count} of {self._name!r}, {whole} of them as long as a trial may train; each config "
            "learns as the nearest recorded one, and shorter curves are extended by the median gain of the others."
        )
        if self._left_out:
            note += f" {counted(self._left_out, 'trial')} of other spaces, or without a value, not used."
        return {
            "source": self._name,
            "recorded_trials": len(self._records),
            "whole_trials": whole,
            "seconds_per_epoch": self._given,
            "seconds_per_start": self._start,
            "note": note,
        }

    def _extended(self, record: _Record) -> Curve:
        values, known = list(record.values), len(record.values)
        seconds = list(record.seconds)
        if record.failure is None and not record.ended:
            for epoch in range(known, self._epochs):
                gained = values[-1] + self._gains[epoch - 1]
                # Beyond the best of all nothing is known; where it stands already, it stays.
                values.append(gained if self._better(gained, self._best) == self._best else self._best)
            seconds += [float(np.mean(record.seconds))] * (len(values) - known)
        if self._given is not None:
            seconds = [self._given] * len(values)
        start = record.start if self._start is None else self._start
        return Curve(values, seconds, start, values, known, record.failure, record.ended)


def _records(results: Results, column: str) -> list[_Record]:
    first = results.epochs[results.epochs["segment"] == 1]
    ids = first["trial_id"].to_numpy()
    # Rows come in order of trial and epoch; a group for each trial takes pandas a hundred times as long.
    begins = np.flatnonzero(ids != np.roll(ids, 1)) if len(set(ids)) > 1 else np.arange(min(len(ids), 1))
    values = np.split(first[column].to_numpy(np.float64), begins[1:])
    seconds = np.split(first[_SECONDS].fillna(0.0).to_numpy(np.float64).sum(axis=1), begins[1:])
    starts = first["seconds_build"].fillna(0.0).to_numpy(np.float64)[begins]
    where = {str(trial_id): at for at, trial_id in enumerate(ids[begins])}
    configs = configs_of(first.iloc[begins], results.space)
    records = []
    trials: Any = results.trials.to_dict("records")
    for trial, drawn in zip(trials, configs_of(results.trials, results.space), strict=True):
        number, at = int(trial["trial_id"]), where.get(trial["trial_id"])
        if at is None:
            records.append(_Record(number, drawn, [], [], 0.0, _failure(trial)))
            continue
        broken = np.flatnonzero(~np.isfinite(values[at]))
        count = int(broken[0]) if len(broken) else len(values[at])
        # A trial with further segments ended under another config.
        whole = len(values[at]) == trial["epochs"]
        records.append(
            _Record(
                number,
                configs[at],
                values[at][:count].tolist(),
                seconds[at][:count].tolist(),
                float(starts[at]),
                _failure(trial) if whole else None,
                whole and _ended_by_itself(trial, results),
            )
        )
    return records


def _failure(trial: Mapping[str, Any]) -> str | None:
    if trial["state"] != "failed":
        return None
    lines = str(trial["error"] or "").splitlines()
    return lines[0] if lines and lines[0] else "It failed when it was recorded."


def _ended_by_itself(trial: Mapping[str, Any], results: Results) -> bool:
    """Whether a callback or the function ended a trial, rather than its maximum or the study's target."""
    budget = results.job["budget"]
    reached = budget["target"] is not None and results.objective.reaches(trial["objective"], budget["target"])
    return bool(trial["state"] == "completed" and trial["epochs"] < budget["epochs"] and not reached)


def _gains(curves: list[list[float]], epochs: int) -> npt.NDArray[np.float64]:
    """What curves gain in the median from each epoch to the next; nothing where none goes so far."""
    gains = np.zeros(epochs)
    for epoch in range(1, epochs):
        steps = [values[epoch] - values[epoch - 1] for values in curves if len(values) > epoch]
        gains[epoch - 1] = float(np.median(steps)) if steps else 0.0
    return gains
