"""Learning curves of simulated trials, a curve for each config: power laws over a landscape, or those of a study."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import DataError, UsageError
from pipeline.results.analysis.queries import ended_by_itself
from pipeline.results.tables.load import Results, configs_of
from pipeline.results.tables.trials import objective_column, quoted
from pipeline.space import Config, Cube, ListedDomain, RandomStream, drawn_parameters, fits
from pipeline.storage import layout
from pipeline.study import TuneJob
from pipeline.text import counted

_Reals = npt.NDArray[np.float64]

_BEFORE = 0.9
"""The loss of an untrained model: the error rate with ten classes."""
_BEST, _SPREAD = 0.02, 0.6
"""The final loss of the best config, and how much higher that of the worst is."""
_CHANCE, _NOISE = 0.03, 0.005
"""Standard deviations of the final loss between trials of one config, and of the loss of each epoch."""
_LATE = 0.1
"""The share of trials that improve late."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The learning curve of one config: the value and the seconds of each epoch, of which the first `known` are known.

    `start` are the seconds before the first, `others` the values of further objectives. At its end a trial fails with
    `failure`, or has `ended` by itself.
    """

    values: Sequence[float]
    seconds: Sequence[float]
    start: float
    known: int
    failure: str | None = None
    ended: bool = False
    others: Mapping[str, Sequence[float]] = field(default_factory=dict)


class CurveSource(ABC):
    """A source of learning curves, which `note` describes."""

    note: str

    @abstractmethod
    def curve(self, index: int, segment: int, config: Config) -> Curve:
        """The curve of a trial's config."""


class SyntheticCurves(CurveSource):
    """Learning curves of a landscape that the seed determines.

    A config's final loss grows with the squared distance of each parameter from its best value; a few parameters matter
    much (Bergstra and Bengio 2012). The loss approaches it by a power law (pow3 of Domhan et al. 2015) with noise, at a
    speed that differs between trials; one trial in ten improves late. Each additional objective is a cost of the
    config, known from the first epoch and lowest opposite to the best config.
    """

    def __init__(self, job: TuneJob, *, seconds_per_epoch: float, seconds_per_start: float) -> None:
        self._seed, self._epochs, self._mode = job.seed, job.budget.epochs, job.objective.mode
        self._seconds, self._start = seconds_per_epoch, seconds_per_start
        self.note = (
            f"Curves are synthetic: power laws with noise; one trial in ten improves late. An epoch takes "
            f"{seconds_per_epoch:g} s. Use them to compare schedulers, searchers and numbers of workers; the values "
            "say nothing about your model."
        )
        self._cube = Cube(job.space)
        rng = np.random.default_rng([self._seed, RandomStream.SYNTHETIC_CURVES])
        self._weights = rng.gamma(0.5, size=self._cube.sides) + 1e-3
        self._best = rng.uniform(0.15, 0.85, self._cube.sides)
        self._others = job.objectives[1:]
        # The order of listed values has no meaning: each gets a random distance.
        self._listed = {
            index: rng.permutation(len(parameter.domain.values)) / max(len(parameter.domain.values) - 1, 1)
            for index, parameter in enumerate(drawn_parameters(job.space))
            if isinstance(parameter.domain, ListedDomain)
        }

    def curve(self, index: int, segment: int, config: Config) -> Curve:
        rng = np.random.default_rng([self._seed, index, segment, RandomStream.SYNTHETIC_CURVES])
        # Weights that were taken over may have a trial's maximum age already, and train further.
        count = self._epochs if segment == 1 else 2 * self._epochs
        final = _BEST + _SPREAD * self._distance_from(self._best, config) + _CHANCE * rng.standard_normal()
        half, power = self._epochs / 10 * rng.lognormal(0, 1.0), rng.uniform(0.8, 1.8)
        slowness = rng.lognormal(-0.03, 0.25)
        waits, noise = 0.0, _NOISE * rng.standard_normal(count)
        if rng.random() < _LATE:
            waits, final = rng.uniform(0.1, 0.4) * self._epochs, 0.6 * final
        final = min(max(final, 0.005), _BEFORE)
        tau = half / (2 ** (1 / power) - 1)
        learned = np.maximum(np.arange(1, count + 1) - waits, 0.0)
        loss = final + (_BEFORE - final) * (1 + learned / tau) ** -power
        seen = np.maximum(loss + noise, 0.0)
        values = 1 - seen if self._mode == "max" else seen
        seconds = [float(self._seconds * slowness)] * count
        cost = _BEST + _SPREAD * self._distance_from(1 - self._best, config) if self._others else 0.0
        others = {one.metric: [1 - cost if one.mode == "max" else cost] * count for one in self._others}
        return Curve(values.tolist(), seconds, self._start, count, others=others)

    def _distance_from(self, best: _Reals, config: Config) -> float:
        """The distance of a config from the best one, from 0 to 1."""
        row = self._cube.units([config])[0]
        present = ~np.isnan(row)
        if not present.any():
            return 0.5
        reach = np.maximum(best, 1 - best)
        distances = ((row - best) / reach) ** 2
        for index, of_value in self._listed.items():
            if present[index]:
                distances[index] = of_value[min(int(row[index] * len(of_value)), len(of_value) - 1)]
        return float(np.sum(self._weights[present] * distances[present]) / np.sum(self._weights[present]))


_SECONDS = "coalesce(seconds_train, 0) + coalesce(seconds_evaluate, 0) + coalesce(seconds_checkpoint, 0)"


class RecordedCurves(CurveSource):
    """Curves of recorded trials: each config has the curve of the nearest recorded config.

    A curve that is too short, because its trial was stopped early, is extended: each additional epoch gains the median
    gain of recorded trials at that epoch, but never beyond the best value recorded. Trials that failed or ended by
    themselves do so again. Of trials that took over the weights of others, only the epochs before are used.
    """

    def __init__(
        self, results: Results, job: TuneJob, *, seconds_per_epoch: float | None, seconds_per_start: float | None
    ) -> None:
        if job.scheduler.exploits:
            raise UsageError(
                f"Recorded curves do not show how a trial continues with another's weights, as {job.scheduler.kind} "
                "needs. Simulate it without --curves, or choose another --scheduler."
            )
        columns = {one.metric: objective_column(one.metric, results) for one in job.objectives}
        if missing := [metric for metric, name in columns.items() if name not in results.table("epochs").column_names]:
            raise DataError(
                f"The study {results.name!r} has no values of {missing[0]!r}, an objective of job {job.name!r}; its "
                f"own is {results.objective.metric!r}. Simulate a job of the same objectives."
            )
        self._epochs, self._cube = job.budget.epochs, Cube(job.space)
        self._seconds_per_epoch, self._seconds_per_start = seconds_per_epoch, seconds_per_start
        rows = _first_segments(results, list(columns.values()))
        curves = [_curve(row, columns, results) for row in rows.to_pylist()]
        used = [
            (trial_id, config, curve)
            for trial_id, config, curve in zip(
                rows["trial_id"].to_pylist(), configs_of(rows, results.space), curves, strict=True
            )
            if fits(job.space, config) and (curve.values or curve.failure)
        ]
        if not any(curve.values for *_, curve in used):
            raise DataError(
                f"No trial of the study {results.name!r} ({len(curves)}) has a curve and a config of the space of "
                f"job {job.name!r}. Simulate the study's own job, or leave --curves out."
            )
        self._ids = np.array([trial_id for trial_id, *_ in used])
        self._units = self._cube.units([config for _, config, _ in used])
        known = [list(curve.values) for *_, curve in used]
        best, gains = max if job.objective.mode == "max" else min, _gains(known, self._epochs)
        limit = best(value for values in known for value in values)
        self._curves = [self._extended(curve, gains, best, limit) for *_, curve in used]
        count, complete = len(used), sum(curve.known >= self._epochs for curve in self._curves)
        self.note = (
            f"Curves are those of {counted(count, 'recorded trial')} of {results.name!r}, {complete} of them complete; "
            "each config gets the curve of the nearest recorded config. Shorter curves are extended by the median gain "
            "of the others."
        )
        if unused := len(curves) - count:
            self.note += f" Not used: {counted(unused, 'trial')} of other spaces, or without a value."

    def curve(self, index: int, segment: int, config: Config) -> Curve:
        # Of several nearest configs, that of the same trial number.
        distances = self._cube.distances(self._cube.units([config])[0], self._units)
        nearest = np.flatnonzero(distances == distances.min())
        same = nearest[self._ids[nearest] == layout.trial_id(index)]
        return self._curves[int(same[0] if len(same) else nearest[index % len(nearest)])]

    def _extended(self, curve: Curve, gains: Sequence[float], best: Any, limit: float) -> Curve:
        values, known, seconds = list(curve.values), curve.known, list(curve.seconds)
        if not (curve.failure or curve.ended):
            for gain in gains[known - 1 : self._epochs - 1]:
                gained = values[-1] + gain
                # No value beyond the best recorded one is extrapolated.
                values.append(gained if best(gained, limit) == limit else limit)
            # The first epoch after a start also compiles.
            seconds += [float(np.median(seconds[1:] or seconds))] * (len(values) - known)
        if self._seconds_per_epoch is not None:
            seconds = [self._seconds_per_epoch] * len(values)
        start = curve.start if self._seconds_per_start is None else self._seconds_per_start
        # What a trial costs hardly changes; that of the last epoch is the best estimate.
        others = {
            metric: [*series, *list(series)[-1:] * (len(values) - known)] for metric, series in curve.others.items()
        }
        return Curve(values, seconds, start, known, curve.failure, curve.ended, others)


def _first_segments(results: Results, columns: Sequence[str]) -> pa.Table:
    """Each trial with the epochs before it took over weights, and its config at that time."""
    configs = [quoted(name) for name in results.table("trials").column_names if name.startswith("config_")]
    firsts = "".join(f", first({name} order by epoch) as {name}" for name in configs)
    chosen = "".join(f", coalesce(f.{name}, t.{name}) as {name}" for name in configs)
    series = [f"_{place}" for place in range(len(columns))]
    lists = ", ".join(
        f"list({quoted(name)}::double order by epoch) as {each}" for each, name in zip(series, columns, strict=True)
    )
    return results.query(f"""
        with first as (
            select trial_id, first(coalesce(seconds_build, 0) order by epoch) as start, count(*) as trained,
                list({_SECONDS} order by epoch) as each, {lists}{firsts}
            from epochs where segment = 1 group by trial_id
        )
        select t.trial_id, state, error, epochs, objective, violation, start, trained, each, {", ".join(series)}{chosen}
        from trials t left join first f using (trial_id) order by length(t.trial_id), t.trial_id
    """)


def _curve(row: Mapping[str, Any], columns: Mapping[str, str], results: Results) -> Curve:
    """What a trial has recorded before the first value that is not finite."""
    whole, failure = row["trained"] == row["epochs"], None
    if row["state"] == "failed" and (whole or not row["epochs"]):
        failure = next(iter(str(row["error"] or "").splitlines()), "") or "It failed when it was recorded."
    series = {metric: np.array(row[f"_{place}"] or [], np.float64) for place, metric in enumerate(columns)}
    first, *others = series
    # A trial that diverged ends with a value that is not finite.
    count = int(np.isfinite(series[first]).cumprod().sum())
    return Curve(
        series[first][:count].tolist(),
        (row["each"] or [])[:count],
        row["start"] or 0.0,
        count,
        failure,
        bool(whole and ended_by_itself(row, results)),
        {metric: series[metric][:count].tolist() for metric in others},
    )


def _gains(curves: list[list[float]], epochs: int) -> list[float]:
    """The median gain of curves from each epoch to the next; 0 if no curve is that long."""
    steps = [
        [values[epoch] - values[epoch - 1] for values in curves if len(values) > epoch] for epoch in range(1, epochs)
    ]
    return [float(np.median(each)) if each else 0.0 for each in steps]
