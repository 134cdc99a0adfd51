"""Which parameters change a model's variables. In population based training none that is explored may.

A trial takes over another one's weights with its config, in which only the explored parameters change. Models are built
and not trained. Where the models of two configs differ, one config is turned into the other parameter
by parameter, so that the two models of each step differ in one parameter alone.
"""

import json
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.engine.messages import Assignment
from pipeline.errors import ModelError
from pipeline.execution.worker.representative_configs import CANDIDATES, representative_trials
from pipeline.schedulers import changed_names
from pipeline.space import Config, ParameterPath, RandomStream, Switch, Value, compose, draw, walk
from pipeline.study import TuneJob
from pipeline.training.trainer_factory import TrainerFactory
from pipeline.wording import by_count, capitalized, listed

Variables = Sequence[Mapping[str, Any]]
"""Path, shape and type of each variable of a model and its optimizer."""


@dataclass(frozen=True, slots=True)
class WeightMismatch:
    """A parameter that changes a model's variables."""

    path: str
    difference: str


def copies_weights(job: TuneJob) -> bool:
    """Whether trials of a job take over each other's weights."""
    return job.model is not None and job.scheduler.exploits and getattr(job.scheduler, "quantile", 1) > 0


def check_compatible(trainer_factory: TrainerFactory, first: Assignment) -> None:
    """Make sure that every trial of a study can take over any other's weights."""
    mismatched = mismatches(trainer_factory, first)
    if mismatched:
        raise ModelError(
            f"{mismatch_text(trainer_factory.job, mismatched)}. {mismatch_advice(trainer_factory.job, mismatched)}"
        )


def mismatches(trainer_factory: TrainerFactory, first: Assignment) -> list[WeightMismatch]:
    """The parameters of a study's space that change its model's variables."""
    job, known = trainer_factory.job, {}

    def variables_of(config: Config) -> Variables | None:
        key = json.dumps(config)
        if key not in known:
            known[key] = _variables(trainer_factory, config, seed=first.seed)
        return known[key]

    return list(compare(job.space, [first.config, *_others(job, first)], variables_of, _changed(job)))


def compare(
    space: Mapping[str, Any],
    configs: Sequence[Config],
    variables_of: Callable[[Config], Variables | None],
    changed: Collection[str],
) -> Iterator[WeightMismatch]:
    """The parameters that make the variables of a config's model differ from those before they change, each once."""
    parameters = [parameter for parameter in walk(space) if parameter.name in changed]
    incompatible: set[str] = set()
    for first in _bases(parameters, configs):
        own = variables_of(first)
        for other in configs if own is not None else ():
            unchecked = {parameter.path for parameter in parameters} - incompatible
            if variables_of(_between(space, first, other, unchecked)) in (own, None):
                continue
            for path, before, after in _steps(space, first, other, parameters):
                old, new = variables_of(before), variables_of(after)
                if path not in incompatible and old is not None and new is not None and old != new:
                    incompatible.add(path)
                    yield WeightMismatch(path, _difference(path, (before, old), (after, new)))


def _bases(parameters: Sequence[ParameterPath], configs: Sequence[Config]) -> list[Config]:
    """The first config, and for each parameter that no earlier one of these has, one that does."""
    bases = [configs[0]]
    for parameter in parameters:
        if not any(map(parameter.is_present, bases)):
            bases += [config for config in configs if parameter.is_present(config)][:1]
    return bases


def _changed(job: TuneJob) -> list[str]:
    return changed_names(job.space, getattr(job.scheduler, "explore", None))


def mismatch_text(job: TuneJob, mismatched: Sequence[WeightMismatch]) -> str:
    """Why a scheduler that exploits cannot be used, without a full stop."""
    which = by_count(len(mismatched), "this hyperparameter changes", "these hyperparameters change")
    differences = "; ".join(mismatch.difference for mismatch in mismatched)
    named = getattr(job.scheduler, "explore", None) is not None
    may_change = listed(_changed(job)) if named else "every hyperparameter of the space"
    return (
        f"With {job.scheduler.kind}, a trial continues with another trial's weights and config, in which {may_change} "
        f"may change, but {which} the model's variables, so the weights would not fit: {differences}"
    )


def mismatch_advice(job: TuneJob, mismatched: Sequence[WeightMismatch]) -> str:
    """What to do about parameters that change a model's variables."""
    refused = {mismatch.path.rpartition(".")[2] for mismatch in mismatched}
    others = [name for name in _changed(job) if name not in refused]
    explore = job.to_json()["scheduler"].get("explore")
    explored = {name: explore[name] for name in others} if isinstance(explore, Mapping) else others
    change = shlex.quote(f"scheduler.explore={json.dumps(explored)}")
    only_others = [f"let the population change the others alone with --set {change}"] if others else []
    switches = {parameter.path for parameter in walk(job.space) if isinstance(parameter.domain, Switch)}
    fixed = [f"--set space.{mismatch.path}=VALUE" for mismatch in mismatched if mismatch.path not in switches]
    of_one = [mismatch.path for mismatch in mismatched if mismatch.path in switches]
    ways = [f"fix what changes them with {' '.join(fixed)}"] if fixed else []
    ways += [f"leave one branch of {' and of '.join(of_one)} in the job's space"] if of_one else []
    both = ", ".join([*only_others, " and ".join(ways)])
    return f"{capitalized(both)}, or use a scheduler that does not copy weights, such as --scheduler asha."


def _others(job: TuneJob, first: Assignment) -> list[Config]:
    """A few configs that cover the space as well as possible."""
    rng = np.random.default_rng([job.seed, RandomStream.COMPARED_CONFIGS])
    configs = [first.config, *(draw(job.space, rng, index) for index in range(CANDIDATES))]
    return [
        each.config for each in representative_trials([Assignment("", config, first.seed) for config in configs])[1:]
    ]


def _variables(trainer_factory: TrainerFactory, config: Config, *, seed: int) -> Variables | None:
    from pipeline.training.state import architecture

    try:
        return architecture(trainer_factory.build(config, seed=seed))
    except (Exception, SystemExit):
        # A config without a model fails as a trial, or is reported by the check of configs.
        return None


def _steps(
    space: Mapping[str, Any], first: Config, other: Config, parameters: Iterable[ParameterPath]
) -> Iterator[tuple[str, Config, Config]]:
    """The steps from one config to the other: a parameter, and the configs before and after it changes."""
    moved: set[str] = set()
    before = first
    for parameter in parameters:
        if parameter.drawn and parameter.is_present(other):
            moved.add(parameter.path)
            after = _between(space, first, other, moved)
            yield parameter.path, before, after
            before = after


def _between(space: Mapping[str, Any], first: Config, other: Config, moved: set[str]) -> Config:
    """A config with the other one's values of the moved parameters, and in branches that the first does not take."""

    def pick(parameter: ParameterPath) -> Value:
        moves = parameter.path in moved and parameter.is_present(other)
        return (other if moves or not parameter.is_present(first) else first)[parameter.name]

    return compose(space, pick)


def _difference(path: str, before: tuple[Config, Variables], after: tuple[Config, Variables]) -> str:
    """The first difference between two models, in words."""
    name = path.rpartition(".")[2]
    sides = []
    for (config, own), (_, others) in ((before, after), (after, before)):
        variable = next((own_one for own_one, other in zip(own, others, strict=False) if own_one != other), None)
        what = f"{len(own)} variables" if variable is None or len(own) != len(others) else _named(variable)
        sides.append(f"{what} with {name}={config.get(name)!r}")
    return f"{path} ({', '.join(sides)})"


def _named(variable: Mapping[str, Any]) -> str:
    path = variable["path"].replace("_#", "")
    return f"{path} of shape {'×'.join(map(str, variable['shape'])) or '1'}"
