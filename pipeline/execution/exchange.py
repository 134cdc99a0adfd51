"""Which parameters change a model's variables. Under population based training none may, since weights change hands.

Models are built and not trained. Where two of them differ, the way from one config to the other is gone parameter by
parameter, so that of two models next to each other one parameter alone is another.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.course.messages import Assignment
from pipeline.errors import ModelError
from pipeline.execution.preflight.configs import corners
from pipeline.space import Config, Place, Scalar, Switch, compose, draw, walk
from pipeline.study import TuneJob
from pipeline.training.workplace import Workplace

__all__ = ["Misfit", "advice", "compared", "exchanges", "in_words", "misfits", "must_fit"]

_STREAM = 13
"""Keeps these draws apart from the searcher's and the scheduler's, which come from the same seed."""

_DRAWN = 64

Variables = Sequence[Mapping[str, Any]]
"""Path, shape and type of each variable of a model and its optimiser."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """A parameter that changes a model's variables.

    Args:
        path: The parameter as `--set` writes it behind `space.`.
        told: What is another with two of its values, in words.
    """

    path: str
    told: str


def exchanges(job: TuneJob) -> bool:
    """Whether trials of a job take over each other's weights."""
    return job.model is not None and job.scheduler.exploits and getattr(job.scheduler, "quantile", 1) > 0


def must_fit(workplace: Workplace, first: Assignment) -> None:
    """Find out whether every trial of a study could go on with any other's weights.

    Args:
        workplace: Builds models.
        first: A trial that is about to begin.

    Raises:
        ModelError: Some parameters change the model's variables: which, how, and what to do.
    """
    found = misfits(workplace, first)
    if found:
        raise ModelError(f"{in_words(workplace.job, found)}. {advice(workplace.job, found)}")


def misfits(workplace: Workplace, first: Assignment) -> list[Misfit]:
    """The parameters of a study's space that change its model's variables.

    Args:
        workplace: Builds models.
        first: The trial whose config others are compared with.
    """
    job, known = workplace.job, {}

    def variables_of(config: Config) -> Variables | None:
        key = json.dumps(config)
        if key not in known:
            known[key] = _variables(workplace, config, seed=first.seed)
        return known[key]

    return list(compared(job.space, [first.config, *_others(job, first)], variables_of))


def compared(
    space: Mapping[str, Any], configs: Sequence[Config], variables_of: Callable[[Config], Variables | None]
) -> Iterator[Misfit]:
    """The parameters by which models of other configs have other variables than the first one's, each once.

    Args:
        space: The space.
        configs: Configs of it.
        variables_of: Tells a model's variables; None where there is no model.
    """
    first, *others = configs
    own = variables_of(first)
    guilty: set[str] = set()
    for other in others if own is not None else ():
        innocent = {place.path for place in walk(space)} - guilty
        if variables_of(_between(space, first, other, innocent)) in (own, None):
            continue
        for path, before, after in _steps(space, first, other):
            old, new = variables_of(before), variables_of(after)
            if path not in guilty and old is not None and new is not None and old != new:
                guilty.add(path)
                yield Misfit(path, _difference(path, (before, old), (after, new)))


def in_words(job: TuneJob, found: Sequence[Misfit]) -> str:
    """What is wrong with a study under a scheduler that exploits, without a full stop.

    Args:
        job: The study's job.
        found: The parameters; at least one.
    """
    which = "this parameter changes" if len(found) == 1 else "these parameters change"
    told = "; ".join(each.told for each in found)
    return (
        f"Under {job.scheduler.kind} a trial goes on with another's weights and a config that is changed in every "
        f"parameter of the space, but {which} the model's variables, so that they would not fit: {told}"
    )


def advice(job: TuneJob, found: Sequence[Misfit]) -> str:
    """What to do about parameters that change a model's variables.

    Args:
        job: The study's job.
        found: The parameters; at least one.
    """
    switches = {place.path for place in walk(job.space) if isinstance(place.domain, Switch)}
    fixed = [f"--set space.{each.path}=VALUE" for each in found if each.path not in switches]
    of_one = [each.path for each in found if each.path in switches]
    ways = [f"fix what changes them with {' '.join(fixed)}"] if fixed else []
    ways += [f"leave one branch of {' and of '.join(of_one)} in the job's space"] if of_one else []
    both = " and ".join(ways)
    return f"{both[0].upper()}{both[1:]}, or leave each trial its own weights, as with --scheduler asha."


def _others(job: TuneJob, first: Assignment) -> list[Config]:
    """Few configs that show as much of the space as so few can."""
    rng = np.random.default_rng([job.seed, _STREAM])
    configs = [first.config, *(draw(job.space, rng, index) for index in range(_DRAWN))]
    return [each.config for each in corners([Assignment("", config, first.seed) for config in configs])[1:]]


def _variables(workplace: Workplace, config: Config, *, seed: int) -> Variables | None:
    from pipeline.training.state import architecture

    try:
        return architecture(workplace.build(config, seed=seed))
    except (Exception, SystemExit):
        # A config that gives no model fails as a trial, or is told by the check that is about that.
        return None


def _steps(space: Mapping[str, Any], first: Config, other: Config) -> Iterator[tuple[str, Config, Config]]:
    """The way from one config to the other: a parameter, and the configs before and after it changed."""
    moved: set[str] = set()
    here = first
    for place in walk(space):
        if place.drawn and place.there(other):
            moved.add(place.path)
            there = _between(space, first, other, moved)
            yield place.path, here, there
            here = there


def _between(space: Mapping[str, Any], first: Config, other: Config, moved: set[str]) -> Config:
    """A config with the other one's values where they have moved, and in branches that the first is not in."""

    def pick(place: Place) -> Scalar:
        moves = place.path in moved and place.there(other)
        return (other if moves or not place.there(first) else first)[place.name]

    return compose(space, pick)


def _difference(path: str, before: tuple[Config, Variables], after: tuple[Config, Variables]) -> str:
    """Where two models differ first, in words."""
    name = path.rpartition(".")[2]
    sides = []
    for (config, own), (_, others) in ((before, after), (after, before)):
        each = next((one for one, other in zip(own, others, strict=False) if one != other), None)
        what = f"{len(own)} variables" if each is None or len(own) != len(others) else _named(each)
        sides.append(f"{what} with {name}={config.get(name)!r}")
    return f"{path} ({', '.join(sides)})"


def _named(variable: Mapping[str, Any]) -> str:
    return f"{variable['path']} of shape {'×'.join(map(str, variable['shape'])) or '1'}"
