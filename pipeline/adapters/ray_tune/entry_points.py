"""Ray Tune's entry points: the call that starts the tuning ends the program, and its arguments are kept."""

import functools
import inspect
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from pipeline.adapters.program import end_here
from pipeline.adapters.user_code import refused
from pipeline.machine import this_machine

__all__ = ["Kept", "patches", "plain", "train_as_tune", "unwrapped"]


@contextmanager
def patches() -> Iterator[None]:
    """A context in which Ray Tune keeps the arguments of Tuner and run, ends the program there, and starts no Ray."""
    import ray
    from ray import tune

    registered: dict[str, Any] = {}

    def by_name(trainable: Any) -> Any:
        return registered.get(trainable, trainable) if isinstance(trainable, str) else trainable

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
            trainable, kwargs = unwrapped(by_name(self.arguments["trainable"]))
            tune_config, run_config = self.arguments.get("tune_config"), self.arguments.get("run_config")
            end_here(
                trainable,
                {
                    "space": self.arguments.get("param_space") or {},
                    "resources": kwargs,
                    "stop": getattr(run_config, "stop", None),
                    "callbacks": getattr(run_config, "callbacks", None),
                    **{name: getattr(tune_config, name, None)
                       for name in ("metric", "mode", "num_samples", "scheduler", "search_alg", "time_budget_s")},
                },
            )  # fmt: skip

    def run(run_or_experiment: Any, *, config: Any = None, resources_per_trial: Any = None, **arguments: Any) -> None:
        function, resources = unwrapped(by_name(run_or_experiment))
        names = ("metric", "mode", "num_samples", "scheduler", "search_alg", "time_budget_s", "stop", "callbacks")
        end_here(
            function,
            {
                "space": config or {},
                "resources": resources or resources_per_trial or {},
                **{name: arguments.get(name) for name in names},
            },
        )

    def experiment(*_: Any, **__: Any) -> None:
        raise refused("the program", "tune.Experiment", "must be tune.Tuner(…).fit() or tune.run(function, …)")

    replaced = [
        (tune, "Tuner", Tuner),
        (sys.modules["ray.tune.tuner"], "Tuner", Tuner),
        (tune, "run", run),
        (sys.modules["ray.tune.tune"], "run", run),
        (tune, "Experiment", experiment),
        (tune, "run_experiments", experiment),
        (tune, "register_trainable", registered.__setitem__),
        (sys.modules["ray.tune.registry"], "register_trainable", registered.__setitem__),
        (tune, "with_parameters", _with_parameters),
        (tune, "with_resources", _with_resources),
        (ray, "init", lambda *_, **__: None),
        (ray, "shutdown", lambda *_, **__: None),
        (ray, "put", Kept),
        *((ray, name, _resources) for name in ("cluster_resources", "available_resources")),
    ]
    with train_as_tune(), _replaced(replaced):
        yield


class Kept:
    """What `ray.put` returns to a program, for which no Ray runs: `ray.get` returns the value itself.

    Args:
        value: The value.
    """

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
        if isinstance(refs, Kept):
            return refs.value
        if isinstance(refs, list) and any(isinstance(one, Kept) for one in refs):
            return [get(one, **arguments) for one in refs]
        return found(refs, **arguments)

    def report(metrics: Mapping[str, Any], checkpoint: Any = None, **_: Any) -> None:
        tune.report(dict(metrics), checkpoint=checkpoint)

    replaced = {"report": report, "get_checkpoint": tune.get_checkpoint, "get_context": tune.get_context}
    with _replaced([*((train, name, value) for name, value in replaced.items()), (ray, "get", get)]):
        yield


@contextmanager
def _replaced(names: Iterable[tuple[Any, str, Any]]) -> Iterator[None]:
    with ExitStack() as opened:
        for owner, name, value in names:
            opened.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
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


def unwrapped(trainable: Any) -> tuple[Any, Mapping[str, Any]]:
    """The trainable itself, and the resources that it requests.

    Args:
        trainable: The trainable, also from tune.with_resources.

    Returns:
        The trainable as the user wrote it, and a mapping of resource → amount, such as {"gpu": 1}; empty if it asks
        for none.
    """
    resources: Mapping[str, Any] = {}
    while isinstance(trainable, _WithResources):
        resources = trainable.resources if isinstance(trainable.resources, Mapping) else {}
        trainable = trainable.trainable
    return trainable, resources


def plain(function: Any) -> Any:
    """The function or class without the parameters that tune.with_parameters gives it.

    Args:
        function: The function or class.

    Returns:
        The function or class as the user defined it.
    """
    while isinstance(function, functools.partial) or (inspect.isclass(function) and "__wrapped__" in vars(function)):
        function = function.func if isinstance(function, functools.partial) else vars(function)["__wrapped__"]
    return function
