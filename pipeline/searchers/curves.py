"""Bayesian optimisation with a Gaussian process: over whole learning curves, or over configs at one epoch."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import accumulate, islice
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from pipeline.machine import one_thread
from pipeline.searchers.base import (
    EARLY,
    MAX_OBSERVATIONS,
    AnySpace,
    History,
    Observation,
    SearcherSettings,
    Suggestion,
    at_one_rung,
    draw_generator,
    units_of,
)
from pipeline.searchers.curve_process import CurveProcess, Points, Posterior, Reals, at_end
from pipeline.space import Config, Count, Cube, draw, drawn_parameters, key_of

_RANDOM_EVERY = 4
"""Every fourth config is random, so that a wrong model is noticed."""

_FEW_RUNNING = 8
"""With more running trials, every fourth config of the search at one epoch is random: many are drawn before a wrong
model is noticed."""

_EVALUATED_AGAIN = 10
"""The number of candidates that are evaluated as configs: rounding moves integers away from their places."""

_NEIGHBOUR_STEPS, _BEST = (0.1, 0.02), 4
"""Distances at which the search at one epoch draws neighbours of good configs, as shares of a parameter's range, and
the number of these configs."""

_EPOCHS_OF_TRIAL, _APART = 4, 1.9
"""The maximum number of a trial's epochs in the model: the newest, each earlier one by this factor, and the first."""

_FAR, _OFFSET = 2.0, 0.1
"""A loss is its distance from the best in units of the median's distance, clipped, then the logarithm of that plus an
offset: differences between good configs count, those between bad ones do not."""

_LARGEST_LOSS = 1e100
"""Larger losses count as this one: their squares would overflow."""

_FIT_POINTS, _MAX_POINTS, _AT_ONE_EPOCH, _MAX_BELIEVED = 220, 500, 200, 250
"""The maximum number of points in a fit, of points to condition on, also at one epoch, and of running trials whose
values are predicted: the cost is cubic."""

_STEPS, _GROWTH = 12, 1.2
"""The optimiser's steps, and the growth of the number of trials after which the fit takes in further ones. The
parameters are fitted again also when trials that it has taken in have new values: a draw is a function of what is
known."""

_CHANCE_AT_ONE_EPOCH = 0.02
"""The share of the prior variance of trials and of noise in a search at one epoch."""

_ROOT_TAU = math.sqrt(2 * math.pi)

_NEGLIGIBLE = 1e-12
"""An expected improvement that is none, on the process' scale: what one on the best predicted loss counts."""


@dataclass(frozen=True)
class CurveSearch(SearcherSettings):
    """Models the objective over the space and the epochs, and draws the config with the largest expected improvement.

    The improvement is that at the last epoch. Made for schedulers that stop trials early: it learns from every
    milestone, and a running trial counts with the value that the model expects. Every fourth config is random.

    Args:
        startup: Number of trials with a value before it learns; until then it draws as random search does.
        candidates: Number of random configs among which the largest expected improvement is searched.
    """

    title: ClassVar[str] = "a Gaussian process over learning curves"
    learns: ClassVar[bool] = True

    startup: Count = 6
    candidates: Count = 400

    kind: Literal["curves"] = field(default="curves", repr=False)

    def suggest(self, space: AnySpace, *, seed: int, index: int, history: History, epochs: int) -> Suggestion:
        rng = draw_generator(seed, index)
        before = history.chosen(best=MAX_OBSERVATIONS // 4, newest=MAX_OBSERVATIONS // 4)
        if index % _RANDOM_EVERY == _RANDOM_EVERY - 1:
            return Suggestion(draw(space, rng, index), "Drawn at random, like every fourth config.")
        valued = sum(bool(curve_of(one, epochs)) for one in before)
        if valued < self.startup or not drawn_parameters(space):
            text = f"Drawn at random: trials with a value: {valued}, of the {self.startup} that the model needs."
            return Suggestion(draw(space, rng, index), text)
        cube = Cube(space)
        units = rng.random((self.candidates, cube.sides))
        with one_thread():
            model = CurveModel(cube, before, history, epochs)
            # Neighbours of good configs would nearly always win, and be no better.
            return _best(cube, model, before, epochs, units, model.gains(cube.points(units)))


def _best(
    cube: Cube, model: "CurveModel", before: Sequence[Observation], epochs: int, units: Reals, gains: Reals
) -> Suggestion:
    """The config of the largest expected improvement at the last epoch among places in the cube."""
    order = np.argsort(-gains, kind="stable")
    untried = _untried((cube.config(unit) for unit in units[order]), before)
    # If all of them were tried, the best one is the draw.
    configs = list(islice(untried, _EVALUATED_AGAIN)) or [cube.config(units[order[0]])]
    # An integer covers a part of the cube: the best candidates are evaluated again in the middle of that part.
    points = cube.points(cube.units(configs))
    best = int(np.argmax(model.gains(points)))
    return Suggestion(configs[best], model.reason(points[[best]], epochs))


def _untried(configs: Iterable[Config], before: Sequence[Observation]) -> Iterator[Config]:
    for one in before:
        if "key" not in one.cache:
            one.cache["key"] = key_of(one.config)
    keys = {one.cache["key"] for one in before}
    for config in configs:
        if (key := key_of(config)) not in keys:
            keys.add(key)
            yield config


@dataclass(frozen=True)
class GPSearch(SearcherSettings):
    """Models the objective over the space and draws the config with the largest expected improvement.

    For few, expensive trials, up to some hundreds. It is the process of CurveSearch at one epoch (Snoek et al. 2012).
    As long as trials are compared before their last epoch, every second config is drawn at random. Running trials
    count with the loss that the process expects of them, a "kriging believer" (Ginsbourger et al. 2010). While more
    than eight trials run, every fourth config is random.

    Args:
        startup: Number of configs that are drawn at random first, as in random search.
        candidates: Number of configs among which the largest expected improvement is searched.
    """

    title: ClassVar[str] = "a Gaussian process"
    learns: ClassVar[bool] = True

    startup: Count = 8
    candidates: Count = 1000

    kind: Literal["gp"] = field(default="gp", repr=False)

    def suggest(self, space: AnySpace, *, seed: int, index: int, history: History, epochs: int) -> Suggestion:
        learned = history.chosen(best=MAX_OBSERVATIONS // 2, newest=MAX_OBSERVATIONS // 2)
        rng = draw_generator(seed, index)
        before, early = at_one_rung(space, learned, epochs=epochs, startup=self.startup)
        known = [one for one in before if one.state == "known"]
        if len(known) < self.startup or not drawn_parameters(space):
            return Suggestion(draw(space, rng, index))
        if early and index % 2:
            return Suggestion(draw(space, rng, index), EARLY)
        if sum(one.state == "open" for one in before) > _FEW_RUNNING and index % _RANDOM_EVERY == _RANDOM_EVERY - 1:
            text = "Drawn at random, like every fourth config while many trials run."
            return Suggestion(draw(space, rng, index), text)
        at_end, cube = [replace(one, curve=(), ended=True) for one in before], Cube(space)
        best = sorted(known, key=lambda one: one.loss or 0.0)[:_BEST]
        with one_thread():
            model = CurveModel(cube, at_end, at_end, epochs, one_epoch=True)
            units, good = rng.random((self.candidates, cube.sides)), units_of(cube, best)
            gains = model.gains(cube.points(units))
            for step in _NEIGHBOUR_STEPS:
                near = cube.neighbours(good[np.arange(self.candidates // 4) % len(good)], step, rng)
                units, gains = np.vstack([units, near]), np.append(gains, model.gains(cube.points(near)))
                good = units[np.argsort(-gains, kind="stable")[:_BEST]]
            return _best(cube, model, before, epochs, units, gains)


@dataclass(frozen=True, slots=True)
class LossScale:
    """Losses as the process sees them."""

    best: float
    width: float
    mean: float = 0.0
    std: float = 1.0

    @classmethod
    def of(cls, losses: Reals, bests: Reals) -> "LossScale":
        """The scale of losses, from the best ones of trials."""
        best = float(bests.min())
        # Half of the trials may have the best loss, except for rounding.
        plain = cls(best, max(float(np.median(bests)) - best, 1e-9 * max(1.0, abs(best))))
        seen = plain.seen(losses)
        return cls(best, plain.width, float(seen.mean()), float(seen.std()) or 1.0)

    def seen(self, losses: Reals) -> Reals:
        # With a tiny width, a large loss is infinitely far: as far as counts.
        with np.errstate(over="ignore"):
            apart = np.clip((losses - self.best) / self.width, 0.0, _FAR)
        scaled: Reals = (np.log(apart + _OFFSET) - self.mean) / self.std
        return scaled

    @property
    def least(self) -> float:
        return (math.log(_OFFSET) - self.mean) / self.std


_Row: TypeAlias = tuple[int, float, float]
"""A trial, the share of its epochs, and the loss there."""


def _data(cube: Cube, before: Sequence[Observation], epochs: int, most: int) -> tuple[Points, Reals, LossScale] | None:
    """The losses at the epochs of trials; None if none has a loss. A failed trial has the worst loss."""
    rows: list[_Row] = [(number, *point) for number, one in enumerate(before) for point in _points_of(one, epochs)]
    if not rows:
        return None
    least: dict[int, float] = {}
    for number, _, loss in rows:
        least[number] = min(loss, least.get(number, loss))
    worst = max(loss for *_, loss in rows)
    rows += [(number, 1.0, worst) for number, one in enumerate(before) if one.state == "failed"]
    rows = _best_trials_and_others(rows, sorted(least, key=lambda number: least[number]), most)
    numbers, shares, losses = (np.array(column) for column in zip(*rows, strict=True))
    trials, where = np.unique(numbers, return_inverse=True)
    x = cube.points(units_of(cube, [before[number] for number in trials]))
    scale = LossScale.of(losses, np.array(list(least.values())))
    return Points(x[where], shares, numbers), scale.seen(losses), scale


def curve_of(one: Observation, epochs: int) -> Sequence[tuple[int, float]]:
    """An observation's best loss up to each epoch, because a trial counts by its best epoch."""
    if one.state == "failed":
        return ()
    if not one.curve:
        return () if one.loss is None else ((epochs, one.loss),)
    bests = list(accumulate((loss for _, loss in one.curve), min))
    if one.state == "known" and one.loss is not None:
        # The best epoch may lie between two milestones.
        bests[-1] = min(bests[-1], one.loss)
    last = one.curve[-1][0]
    curve = tuple((epoch, best) for (epoch, _), best in zip(one.curve, bests, strict=True))
    return (*curve, (epochs, bests[-1])) if one.ended and last < epochs else curve


def _points_of(one: Observation, epochs: int) -> Sequence[tuple[float, float]]:
    """Some points of an observation's curve, the latest first: the share of a trial's epochs, and the loss there."""
    key = (one.state, one.loss, one.ended, len(one.curve), epochs)
    if (kept := one.cache.get("points")) is not None and kept[0] == key:
        return kept[1]  # type: ignore[no-any-return]
    kept_points: list[tuple[int, float]] = []
    curve = curve_of(one, epochs)
    for epoch, loss in reversed(curve):
        if len(kept_points) < _EPOCHS_OF_TRIAL and (not kept_points or epoch * _APART <= kept_points[-1][0]):
            kept_points.append((epoch, loss))
    if curve and kept_points[-1] != curve[0]:
        kept_points.append(curve[0])
    points = [
        (min(epoch, epochs) / epochs, min(max(loss, -_LARGEST_LOSS), _LARGEST_LOSS)) for epoch, loss in kept_points
    ]
    one.cache["points"] = key, points
    return points


def _best_trials_and_others(rows: list[_Row], ranked: Sequence[int], most: int) -> list[_Row]:
    """At most `most` rows: all of the best trials, and the newest of the others, evenly from good to poor."""
    if len(rows) <= most:
        return rows
    good = set(ranked[: most // 8])
    newest: dict[int, _Row] = {}
    for row in rows:
        # The latest of a trial comes first.
        newest.setdefault(row[0], row)
    kept = [row for row in rows if row[0] in good][:most]
    rest = sorted((row for number, row in newest.items() if number not in good), key=lambda row: row[2])
    places = np.linspace(0, len(rest) - 1, min(most - len(kept), len(rest))).astype(int)
    return [*kept, *(rest[place] for place in places)]


def _at_last_fit(history: Sequence[Observation]) -> Sequence[Observation]:
    """The trials that existed when their number last reached the next size; of many, an even sample."""
    count = 2
    while math.ceil(count * _GROWTH) <= len(history):
        count = math.ceil(count * _GROWTH)
    if count <= MAX_OBSERVATIONS:
        return history[:count]
    return [history[number] for number in np.linspace(0, count - 1, MAX_OBSERVATIONS).astype(int)]


@lru_cache(maxsize=32)
def _fitted(chance: float, groups: bytes, x: bytes, t: bytes, trial: bytes, values: bytes) -> Reals:
    """The parameters for the data, cached because every draw needs them."""
    shares = np.frombuffer(t)
    points = Points(np.frombuffer(x).reshape(len(shares), -1), shares, np.frombuffer(trial, np.int64))
    return CurveProcess(np.frombuffer(groups, np.int64), chance).fit(points, np.frombuffer(values), _STEPS)


class CurveModel:
    """The process, conditioned on the values of a study's trials, of which at least one has a value.

    In a search at one epoch, less is chance, and the values that are predicted of running trials count as reached.
    """

    def __init__(
        self,
        cube: Cube,
        before: Sequence[Observation],
        history: Sequence[Observation],
        epochs: int,
        *,
        one_epoch: bool = False,
    ) -> None:
        known = _data(cube, before, epochs, _AT_ONE_EPOCH if one_epoch else _MAX_POINTS)
        first = _data(cube, _at_last_fit(history), epochs, _FIT_POINTS)
        assert known is not None
        self._before, (self._at, values, scale) = before, known
        self._least, chance = scale.least, _CHANCE_AT_ONE_EPOCH if one_epoch else 1.0
        self._process = CurveProcess(cube.groups, chance)
        self._theta = self._process.prior
        if first is not None:
            at, fitted, _ = first
            parts = (cube.groups, at.x, at.t, at.trial, fitted)
            self._theta = _fitted(chance, *(part.tobytes() for part in parts))
        self._posterior = Posterior(self._process, self._theta, self._at, values)
        running = [trial for trial, one in enumerate(before) if one.state == "open"][-_MAX_BELIEVED:]
        if not running:
            return
        points = cube.points(units_of(cube, [before[trial] for trial in running]))
        self._posterior.believe(Points(points, np.ones(len(running)), np.array(running)))
        if one_epoch:
            self._least = min(self._least, float(self._posterior.predict(at_end(points))[0].min()))

    def gains(self, points: Reals) -> Reals:
        """The expected improvement at the last epoch, on the process' scale (Jones et al. 1998).

        If no config is expected to improve on the best loss, because noise made it that good, the improvement on the
        best predicted loss decides. Otherwise, the least certain configs would be drawn, however poor.
        """
        mean, std = self._posterior.predict(at_end(points))
        return _improvement(self._least, mean, std) + _NEGLIGIBLE * _improvement(self._best_predicted, mean, std)

    @cached_property
    def _best_predicted(self) -> float:
        return float(self._posterior.predict(at_end(np.unique(self._at.x, axis=0)))[0].min())

    def reason(self, point: Reals, epochs: int) -> str:
        # All trials at their end: at an early epoch, all configs' values are similar.
        ends = Points(self._at.x, np.ones(len(self._at.t)), self._at.trial)
        nearest = int(np.argmax(self._process.covariance(self._theta, at_end(point), ends)[0]))
        name = self._before[self._at.trial[nearest]].trial_id
        return f"Largest expected improvement at epoch {epochs}{f', near trial {name}' if name else ''}."


def _improvement(least: float, mean: Reals, std: Reals) -> Reals:
    """The expected improvement on a value, of normal distributions."""
    from scipy.special import ndtr

    better = (least - mean) / std
    improvement: Reals = std * (better * ndtr(better) + np.exp(-0.5 * better**2) / _ROOT_TAU)
    return improvement
