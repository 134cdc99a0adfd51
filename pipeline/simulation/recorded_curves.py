"""Learning curves that a study has recorded in its tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.errors import DataError, UsageError
from pipeline.results.analysis.queries import ended_by_itself
from pipeline.results.tables.load import Results, configs_of
from pipeline.results.tables.trials import objective_column, quoted
from pipeline.simulation.curves import Curve, CurveSource, Encoding
from pipeline.space import Config, fits
from pipeline.study import TuneJob
from pipeline.text import counted

_SECONDS = "coalesce(seconds_train, 0) + coalesce(seconds_evaluate, 0) + coalesce(seconds_checkpoint, 0)"


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
        columns = {one.metric: objective_column(one.metric, results) for one in job.objectives}
        if missing := [metric for metric, name in columns.items() if name not in results.table("epochs").column_names]:
            raise DataError(
                f"The study {results.name!r} has no values of {missing[0]!r}, an objective of job {job.name!r}; its "
                f"own is {results.objective.metric!r}. Simulate a job of the same objectives."
            )
        self._name, self._epochs, self._encoding = results.name, job.budget.epochs, Encoding(job.space)
        self._seconds_per_epoch, self._seconds_per_start = seconds_per_epoch, seconds_per_start
        rows = _first_segments(results, list(columns.values()))
        curves = [_curve(row, columns, results) for row in rows.to_pylist()]
        used = [
            (int(number), config, curve)
            for number, config, curve in zip(
                rows["trial_id"].to_pylist(), configs_of(rows, results.space), curves, strict=True
            )
            if fits(job.space, config) and (curve.values or curve.failure)
        ]
        if not any(curve.values for *_, curve in used):
            raise DataError(
                f"None of the {len(curves)} trials of the study {results.name!r} has a curve and a config of the "
                f"space of job {job.name!r}. Simulate the study's own job, or use --curves synthetic."
            )
        self._unused = len(curves) - len(used)
        self._numbers = np.array([number for number, *_ in used])
        self._rows = self._encoding.rows([config for _, config, _ in used])
        known = [list(curve.values) for *_, curve in used]
        best, gains = max if job.objective.mode == "max" else min, _gains(known, self._epochs)
        limit = best(value for values in known for value in values)
        self._curves = [self._extended(curve, gains, best, limit) for *_, curve in used]

    def curve(self, index: int, segment: int, config: Config) -> Curve:
        """The curve of the nearest recorded config; of several, that of the same trial number if there is one."""
        distances = self._encoding.distances(self._encoding.rows([config])[0], self._rows)
        nearest = np.flatnonzero(distances == distances.min())
        same = nearest[self._numbers[nearest] == index]
        return self._curves[int(same[0] if len(same) else nearest[index % len(nearest)])]

    def description(self) -> Mapping[str, Any]:
        """The study, how many of its trials are used, and the duration of their epochs."""
        count, complete = len(self._curves), sum(curve.known >= self._epochs for curve in self._curves)
        note = (
            f"Curves are those of {counted(count, 'recorded trial')} of {self._name!r}, {complete} of them complete; "
            "each config gets the curve of the nearest recorded config. Shorter curves are extended by the median gain "
            "of the others."
        )
        if self._unused:
            note += f" {counted(self._unused, 'trial')} of other spaces, or without a value, are not used."
        return {
            "source": self._name, "recorded_trials": count, "whole_trials": complete,
            "seconds_per_epoch": self._seconds_per_epoch, "seconds_per_start": self._seconds_per_start, "note": note,
        }  # fmt: skip

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
    """What a trial has recorded up to its last finite value, with a value for each epoch."""
    whole, failure = row["trained"] == row["epochs"], None
    if row["state"] == "failed" and (whole or not row["epochs"]):
        failure = next(iter(str(row["error"] or "").splitlines()), "") or "It failed when it was recorded."
    # A trial that diverged ends with a value that is not finite; before that, epochs may lack validation.
    series = {metric: np.array(row[f"_{place}"] or [], np.float64) for place, metric in enumerate(columns)}
    first, *others = series
    finite = np.flatnonzero(np.isfinite(series[first]))
    count = int(finite[-1]) + 1 if len(finite) else 0
    return Curve(
        _interpolated(series[first][:count]),
        (row["each"] or [])[:count],
        row["start"] or 0.0,
        count,
        failure,
        bool(whole and ended_by_itself(row, results)),
        {metric: _interpolated(series[metric][:count]) for metric in others},
    )


def _interpolated(values: np.ndarray) -> list[float]:
    """Values of each epoch, without gaps: linear between two known values, and constant before and after them."""
    known = np.flatnonzero(np.isfinite(values))
    found: list[float] = (np.interp(np.arange(len(values)), known, values[known]) if len(known) else values).tolist()
    return found


def _gains(curves: list[list[float]], epochs: int) -> list[float]:
    """The median gain of curves from each epoch to the next; 0 if no curve is that long."""
    steps = [
        [values[epoch] - values[epoch - 1] for values in curves if len(values) > epoch] for epoch in range(1, epochs)
    ]
    return [float(np.median(each)) if each else 0.0 for each in steps]
