"""Ray Tune's entry points: the call that starts the tuning ends the program, and its arguments are kept."""

import functools
import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipeline.adapters.attributes import replaced_attributes
from pipeline.adapters.program import end_program
from pipeline.adapters.user_code import refused
from pipeline.machine import this_machine

_TUNE_CONFIG = ("metric", "mode", "num_samples", "scheduler", "search_alg", "time_budget_s")
"""The settings of tune.TuneConfig that are kept; tune.run has them as arguments."""

_RUN_CONFIG = ("stop", "callbacks")
"""The settings of tune.RunConfig that are kept; tune.run has them as arguments."""


@contextmanager
def patches() -> Iterator[None]:
    """A context in which Ray Tune keeps the arguments of Tuner and run, ends the program there, and starts no Ray."""
    import ray
    from ray import tune

    registered: dict[str, Any] = {}

    def by_name(trainable: Any) -> Any:
        return registered.get(trainable, trainable) if isinstance(trainable, str) else trainable

    tuner, run = _tuner_class(by_name), _run_function(by_name)
    replaced = [
        (tune, "Tuner", tuner),
        (sys.modules["ray.tune.tuner"], "Tuner", tuner),
        (tune, "run", run),
        (sys.modules["ray.tune.tune"], "run", run),
        (tune, "Experiment", _experiment),
        (tune, "run_experiments", _experiment),
        (tune, "register_trainable", registered.__setitem__),
        (sys.modules["ray.tune.registry"], "register_trainable", registered.__setitem__),
        (tune, "with_parameters", _with_parameters),
        (tune, "with_resources", _with_resources),
        (ray, "init", lambda *_, **__: None),
        (ray, "shutdown", lambda *_, **__: None),
        (ray, "put", LocalObjectRef),
        *((ray, name, _resources) for name in ("cluster_resources", "available_resources")),
    ]
    with train_as_tune(), replaced_attributes(replaced):
        yield


def _tuner_class(by_name: Callable[[Any], Any]) -> type:
    """A class as tune.Tuner, whose `fit` ends the program."""

    class Tuner:
        def __init__(self, trainable: Any = None, **arguments: Any) -> None:
            self.arguments = {"trainable": trainable, **arguments}

        @staticmethod
        def can_restore(*_: Any, **__: Any) -> bool:
            # tunepipe has no experiments of Ray Tune: the program makes a new Tuner.
            return False

        @staticmethod
        def restore(*_: Any, **__: Any) -> None:
            raise refused("the program", "tune.Tuner.restore", "must be tune.Tuner(…); `tunepipe resume` continues")

        def fit(self) -> None:
            trainable, kwargs = split_resources(by_name(self.arguments["trainable"]))
            tune_config, run_config = self.arguments.get("tune_config"), self.arguments.get("run_config")
            end_program(
                trainable,
                {
                    "space": self.arguments.get("param_space") or {},
                    "resources": kwargs,
                    **{name: getattr(tune_config, name, None) for name in _TUNE_CONFIG},
                    **{name: getattr(run_config, name, None) for name in _RUN_CONFIG},
                },
            )

    return Tuner


def _run_function(by_name: Callable[[Any], Any]) -> Callable[..., None]:
    """A function as tune.run, which ends the program."""

    def run(run_or_experiment: Any, *, config: Any = None, resources_per_trial: Any = None, **arguments: Any) -> None:
        function, resources = split_resources(by_name(run_or_experiment))
        end_program(
            function,
            {
                "space": config or {},
                "resources": resources or resources_per_trial or {},
                **{name: arguments.get(name) for name in (*_TUNE_CONFIG, *_RUN_CONFIG)},
            },
        )

    return run


def _experiment(*_: Any, **__: Any) -> None:
    raise refused("the program", "tune.Experiment", "must be tune.Tuner(…).fit() or tune.run(function, …)")


class LocalObjectRef:
    """What `ray.put` returns to a program, for which no Ray runs: `ray.get` returns the value itself."""

    def __init__(self, value: Any, **_: Any) -> None:
        self.value = value


def _resources() -> dict[str, float]:
    return {"CPU": float(math.ceil(this_machine().cpus))}


@contextmanager
def train_as_tune() -> Iterator[None]:
    """A context in which ray.train's report, get_checkpoint and get_context are ray.tune's, as in earlier versions.

    There, `ray.get` also returns what the program has put.
    """
    import ray
    from ray import train, tune

    found = ray.get

    def get(refs: Any, **arguments: Any) -> Any:
        if isinstance(refs, LocalObjectRef):
            return refs.value
        if isinstance(refs, list) and any(isinstance(one, LocalObjectRef) for one in refs):
            return [get(one, **arguments) for one in refs]
        return found(refs, **arguments)

    def report(metrics: Mapping[str, Any], checkpoint: Any = None, **_: Any) -> None:
        tune.report(dict(metrics), checkpoint=checkpoint)

    replaced = {"report": report, "get_checkpoint": tune.get_checkpoint, "get_context": tune.get_context}
    with replaced_attributes([*((train, name, value) for name, value in replaced.items()), (ray, "get", get)]):
        yield


def _with_parameters(trainable: Any, **parameters: Any) -> Any:
    if not inspect.isclass(trainable):
        return functools.partial(trainable, **parameters)

    class WithParameters(trainable):  # type: ignore[misc]
        __wrapped__ = trainable

        def setup(self, config: Any) -> None:
            super().setup(config, **parameters)

    return WithParameters


class _WithResources:
    def __init__(self, trainable: Any, resources: Any) -> None:
        self.trainable, self.resources = trainable, resources


def _with_resources(trainable: Any, resources: Any) -> Any:
    return _WithResources(trainable, resources)


def split_resources(trainable: Any) -> tuple[Any, Mapping[str, Any]]:
    """The trainable itself, and the resources that it requests."""
    resources: Mapping[str, Any] = {}
    while isinstance(trainable, _WithResources):
        resources = trainable.resources if isinstance(trainable.resources, Mapping) else {}
        trainable = trainable.trainable
    return trainable, resources


def without_parameters(function: Any) -> Any:
    """The function or class without the parameters that tune.with_parameters gives it."""
    while isinstance(function, functools.partial) or (inspect.isclass(function) and "__wrapped__" in vars(function)):
        function = function.func if isinstance(function, functools.partial) else vars(function)["__wrapped__"]
    return function
