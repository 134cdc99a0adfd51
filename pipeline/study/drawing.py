"""Which config a study tries as its number i: those a person starts with, then what the searcher draws."""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import Fault
from pipeline.searchers import Tried
from pipeline.space import Config, LogUniform, Normal, Place, QUniform, Scalar, Uniform, compose, fits, walk
from pipeline.study.faults import unknown

if TYPE_CHECKING:
    from pipeline.study.job import TuneJob

__all__ = ["config_of_trial", "fewer", "seed_of_trial", "start_faults", "trials_in_all"]

_STREAM = 5
"""Keeps what completes a start apart from the searcher's draws, which come from (seed, index)."""


def config_of_trial(job: "TuneJob", index: int, tried: Iterable[Tried] = ()) -> Config:
    """The config of trial number `index`.

    Args:
        job: The study's job.
        index: The trial's number, from 0.
        tried: What was tried before, in the order of the trials; walked through by searchers that learn.
    """
    starts = len(job.start_with)
    if index >= starts:
        # Domains may have changed since, where a person accepted that.
        fitting = (one for one in tried if fits(job.space, one.config))
        number = index - starts
        for taken in _drawn_by_starts(job):
            number += number >= taken
        return job.searcher.draw(job.space, seed=_seed_of_draws(job), index=number, tried=fitting)
    return _start(job, index)


def _seed_of_draws(job: "TuneJob") -> int:
    """The study that this one starts from may have had the same seed: what it has tried is not drawn again."""
    if job.start_from is None:
        return job.seed
    return int(np.random.default_rng([job.seed, zlib.crc32(job.start_from.study.encode())]).integers(2**31))


def _start(job: "TuneJob", index: int) -> Config:
    """A config that the study starts with, completed."""
    given, rng = job.start_with[index], np.random.default_rng([job.seed, index, _STREAM])

    def pick(place: Place) -> Scalar:
        if place.name not in given:
            return place.domain.draw(rng)  # type: ignore[no-any-return]
        value = given[place.name]
        # A whole number where the domain draws real ones is a real one, too.
        return float(value) if isinstance(place.domain, Uniform | LogUniform | QUniform | Normal) else value

    return compose(job.space, pick)


def _drawn_by_starts(job: "TuneJob") -> list[int]:
    """Numbers of draws that the starts come before: the searcher leaves them out, or they would be trained twice."""
    if job.searcher.size(job.space) is None:
        return []
    starts = (_start(job, index) for index in range(len(job.start_with)))
    numbers = {job.searcher.number_of(job.space, start) for start in starts if fits(job.space, start)}
    return sorted(number for number in numbers if number is not None)


def seed_of_trial(job: "TuneJob", index: int) -> int:
    """Where the initial weights and the shuffling of trial number `index` come from."""
    return job.seed + index if job.trial_seeds else job.seed


def trials_in_all(job: "TuneJob") -> int:
    """How many trials the study has at most: its budget, or all there are to draw."""
    drawn = any(place.drawn for place in walk(job.space))
    # Trials of one config are of use only where each has initial weights of its own.
    size = job.searcher.size(job.space) if drawn or job.trial_seeds else 1
    if size is None:
        return job.budget.trials
    known = len(job.start_with) - len(_drawn_by_starts(job)) if drawn else 0
    return min(job.budget.trials, known + size)


def fewer(job: "TuneJob") -> str | None:
    """Why the study has fewer trials than its budget allows, in words; None where it has as many."""
    count, wanted = trials_in_all(job), job.budget.trials
    if count == wanted:
        return None
    if not any(place.drawn for place in walk(job.space)):
        return (
            f"The space draws nothing, so all {wanted} trials would be alike: 1 is run. trial_seeds=True gives each "
            "initial weights of its own."
        )
    return f"There are {count} configs to draw: {count} trials are run, not {wanted}."


def start_faults(space: Mapping[str, Any], config: Mapping[str, Scalar], path: str) -> Iterator[Fault]:
    """What is wrong with a config that a study is to start with.

    Args:
        space: The study's space.
        config: Values of some or all parameters.
        path: Where it stands in the job.
    """
    places: dict[str, list[Place]] = {}
    for place in walk(space):
        places.setdefault(place.name, []).append(place)
    for name, value in config.items():
        field, known = f"{path}.{name}", places.get(name, [])
        here = next((place for place in known if place.there(config)), None)
        if not known:
            yield Fault(field, value, unknown("parameter", places, name))
        elif here is None:
            needed = " or ".join(" and ".join(f"{s} {b!r}" for s, b in place.when) for place in known)
            yield Fault(field, value, f"must stand beside what it belongs to: {needed}")
        elif not here.drawn and (value != here.domain or type(value) is not type(here.domain)):
            yield Fault(field, value, f"must be {here.domain!r}, which the space fixes it at, or be left out")
        elif here.drawn and not here.domain.contains(value):
            yield Fault(field, value, f"must be a value of its domain, {here.domain!r}")
