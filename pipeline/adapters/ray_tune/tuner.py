"""Ray Tune's entry points: the call that starts the tuning ends the program, and says what the job is."""

import functools
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from pipeline.adapters.loops import UNKNOWN_EPOCHS, keywords_of, mentions, reports_of
from pipeline.adapters.program import end_here
from pipeline.adapters.user_code import refused
from pipeline.execution.ray.internals import scheduler_facts, searcher_facts
from pipeline.space import Grid
from pipeline.study import Objective

__all__ = ["fields_of_tuner", "left_out_of_tuner", "patches", "plain", "train_as_tune", "unwrapped"]

_NOT_REPORTS = ("time_total_s", "time_since_restore", "timesteps_total")
"""What a scheduler may count that says nothing about the number of reports, by names of Ray Tune."""


@contextmanager
def patches() -> Iterator[None]:
    """A context in which Ray Tune keeps the arguments of Tuner and run, ends the program there, and starts no Ray."""
    import ray
    from ray import tune

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
            trainable, kwargs = unwrapped(self.arguments["trainable"])
            tune_config, run_config = self.arguments.get("tune_config"), self.arguments.get("run_config")
            end_here(
                trainable,
                {
                    "space": self.arguments.get("param_space") or {},
                    "resources": kwargs,
                    "stop": getattr(run_config, "stop", None),
                    **{name: getattr(tune_config, name, None)
                       for name in ("metric", "mode", "num_samples", "scheduler", "search_alg", "time_budget_s")},
                },
            )  # fmt: skip

    def run(trainable: Any, *, config: Any = None, resources_per_trial: Any = None, **arguments: Any) -> None:
        function, resources = unwrapped(trainable)
        names = ("metric", "mode", "num_samples", "scheduler", "search_alg", "time_budget_s", "stop")
        end_here(
            function,
            {
                "space": config or {},
                "resources": resources or resources_per_trial or {},
                **{name: arguments.get(name) for name in names},
            },
        )

    replaced = [
        (tune, "Tuner", Tuner),
        (tune, "run", run),
        (tune, "with_parameters", _with_parameters),
        (tune, "with_resources", _with_resources),
        (ray, "init", lambda *_, **__: None),
        (ray, "shutdown", lambda *_, **__: None),
    ]
    with ExitStack() as opened:
        opened.enter_context(train_as_tune())
        for owner, name, value in replaced:
            opened.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        yield


@contextmanager
def train_as_tune() -> Iterator[None]:
    """A context in which ray.train's report, get_checkpoint and get_context are ray.tune's, as in earlier versions."""
    from ray import train, tune

    def report(metrics: Mapping[str, Any], checkpoint: Any = None, **_: Any) -> None:
        tune.report(dict(metrics), checkpoint=checkpoint)

    replaced = {"report": report, "get_checkpoint": tune.get_checkpoint, "get_context": tune.get_context}
    with ExitStack() as opened:
        for name, value in replaced.items():
            opened.callback(setattr, train, name, getattr(train, name))
            setattr(train, name, value)
        yield


def fields_of_tuner(
    arguments: Mapping[str, Any], trainable: Any, param_space: Mapping[str, Any], space: Mapping[str, Any], source: str
) -> dict[str, Any]:
    """The fields of a job that a call of Tuner.fit or tune.run says, without the space.

    Args:
        arguments: The arguments of the call, as `patches` keeps them; empty if there is none.
        trainable: The function or the class.
        param_space: The param_space.
        space: The space that it becomes.
        source: The text of the program: where it reads its results, it may name the metric.
    """
    fields: dict[str, Any] = {}
    scheduler, search = scheduler_facts(arguments.get("scheduler")), searcher_facts(arguments.get("search_alg"))
    metric = arguments.get("metric") or scheduler.get("metric") or search["metric"]
    mode = arguments.get("mode") or scheduler.get("mode") or search["mode"]
    metric = metric or keywords_of(source, "metric")
    mode = mode or keywords_of(source, "mode", beside="metric")
    if metric and mode:
        fields["objectives"] = _objectives(metric, mode)
    budget: dict[str, Any] = {}
    if "num_samples" in arguments and (samples := arguments["num_samples"] or 1) != -1:
        grids = [len(domain.values) for domain in space.values() if isinstance(domain, Grid)]
        budget["trials"] = int(samples) * _product(grids)
    if seconds := arguments.get("time_budget_s"):
        budget["seconds"] = getattr(seconds, "total_seconds", lambda: float(seconds))()
    budget["epochs"] = _epochs(trainable, param_space, arguments, scheduler)
    fields["budget"] = budget
    if (settings := _scheduler(scheduler, budget["epochs"])) is not None:
        fields["scheduler"] = settings
    resources = dict(arguments.get("resources") or {})
    asked = {
        ours: float(resources[theirs])
        for ours, theirs in (("cpus", "cpu"), ("gpus", "gpu"), ("cpus", "CPU"), ("gpus", "GPU"))
        if isinstance(resources.get(theirs), int | float)
    }
    return {**fields, **({"resources": asked} if asked else {})}


def _objectives(metric: Any, mode: Any) -> list[Objective]:
    """The objectives of a metric and a mode, or of several, as OptunaSearch has them."""
    metrics = metric if isinstance(metric, list | tuple) else [metric]
    modes = mode if isinstance(mode, list | tuple) else [mode] * len(metrics)
    return [Objective(str(one), "max" if how == "max" else "min") for one, how in zip(metrics, modes, strict=True)]


def _epochs(
    trainable: Any, param_space: Mapping[str, Any], arguments: Mapping[str, Any], scheduler: Mapping[str, Any]
) -> int:
    """The number of reports of a trial: the least that the program, its scheduler and its source say."""
    longest, stop = scheduler.get("longest"), arguments.get("stop")
    counts_reports = scheduler.get("time") in (None, "training_iteration")
    limits = [
        stop.get("training_iteration") if isinstance(stop, Mapping) else None,
        longest if counts_reports else None,
    ]
    if not inspect.isclass(trainable):
        function = plain(trainable)
        limits.append(reports_of(function, "report", dict(_constants(param_space, _first_parameter(function)))))
    if known := [int(limit) for limit in limits if limit is not None]:
        return max(1, min(known))
    if longest and scheduler.get("time") not in _NOT_REPORTS:
        return int(longest)
    # A callback or a helper may report.
    return UNKNOWN_EPOCHS if inspect.isclass(trainable) or mentions(plain(trainable), "(?i)report") else 1


def _first_parameter(function: Any) -> str:
    try:
        return next(iter(inspect.signature(function).parameters), "config")
    except (TypeError, ValueError):
        return "config"


def _constants(space: Mapping[str, Any], text: str) -> Iterator[tuple[str, int]]:
    """The whole numbers of a param_space by the expressions that give them, such as `config["epochs"]`."""
    for name, value in space.items():
        for expression in (f'{text}["{name}"]', f'{text}.get("{name}")'):
            if isinstance(value, Mapping):
                yield from _constants(value, expression)
            elif isinstance(value, int):
                yield expression, value


def _scheduler(facts: Mapping[str, Any], epochs: int) -> dict[str, Any] | None:
    kind, grace = facts.get("kind"), min(max(1, int(facts.get("grace") or 1)), epochs)
    if kind in ("ASHAScheduler", "AsyncHyperBandScheduler"):
        return {"kind": "asha", "grace_period": grace, "reduction_factor": max(2, int(facts.get("factor") or 4))}
    if kind == "MedianStoppingRule":
        return {"kind": "median", "grace_period": grace}
    if kind == "PopulationBasedTraining":
        return {"kind": "pbt", "interval": min(max(1, int(facts.get("interval") or 1)), epochs)}
    if kind == "PB2":
        return {"kind": "pb2", "interval": min(max(1, int(facts.get("interval") or 1)), epochs)}
    if kind == "HyperBandScheduler":
        return {"kind": "hyperband", "reduction_factor": facts.get("factor") or 3}
    return {"kind": "fifo"} if kind == "FIFOScheduler" else None


def left_out_of_tuner(arguments: Mapping[str, Any]) -> list[str]:
    """The settings of a call of Tuner.fit or tune.run that a job does not have, a sentence each.

    Args:
        arguments: The arguments of the call, as `patches` keeps them.
    """
    left_out = []
    stop = arguments.get("stop")
    if isinstance(stop, Mapping):
        stop = {name: value for name, value in stop.items() if name != "training_iteration"}
    if stop:
        how = f"={dict(stop)}" if isinstance(stop, Mapping) else ""
        left_out.append(f"stop{how} is ignored; the scheduler ends trials, and budget.epochs limits their reports.")
    facts = scheduler_facts(arguments.get("scheduler"))
    if facts and _scheduler(facts, 1) is None:
        left_out.append(f"{facts['kind']} is ignored; set --scheduler instead.")
    if arguments.get("search_alg") is not None:
        left_out.append(f"{searcher_facts(arguments['search_alg'])['kind']} is ignored; set --search instead.")
    return left_out


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
    """The trainable itself, and the resources that it asks for.

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


def _product(sizes: Sequence[int]) -> int:
    return functools.reduce(lambda one, other: one * other, sizes, 1)
