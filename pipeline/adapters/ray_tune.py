"""Ray Tune: a function that reports by `tune.report`, or a Trainable class, as it is, with its param_space.

Each report is an epoch. A checkpoint that is reported is the function's state, and comes back by `get_checkpoint`.
"""

import copy
import functools
import inspect
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from pipeline.adapters.parameters import (
    UNKNOWN_EPOCHS,
    choice,
    distinct,
    integers,
    is_json,
    json_values,
    parameter_name,
    start_configs,
)
from pipeline.adapters.program import Adapter, end_program, replaced_attributes
from pipeline.adapters.steps import Steps, flat, numeric
from pipeline.code.modules import same_random_numbers
from pipeline.errors import Fault, InvalidJob
from pipeline.execution.ray.internals import reporting_to, set_iteration
from pipeline.space import Choice, Domain, Grid, IntUniform, LogUniform, QUniform, Uniform, plain
from pipeline.study import Objective
from pipeline.study.context import CONTINUED_FROM, current

_TUNE_CONFIG = ("metric", "mode", "num_samples", "scheduler", "search_alg", "time_budget_s")
_RUN_CONFIG = ("stop", "callbacks")
"""The settings of tune.TuneConfig and tune.RunConfig that are kept; tune.run has them as arguments."""

_HALVING = ("asha", {"reduction_factor": "_reduction_factor"})
_POPULATION = {"interval": "_perturbation_interval", "quantile": "_quantile_fraction"}
SCHEDULERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "ASHAScheduler": _HALVING,
    "AsyncHyperBandScheduler": _HALVING,
    "HyperBandScheduler": ("hyperband", {"reduction_factor": "_eta"}),
    "MedianStoppingRule": (
        "median",
        {"grace_period": "_grace_period", "min_samples_required": "_min_samples_required"},
    ),
    "PopulationBasedTraining": (
        "pbt",
        {
            **_POPULATION,
            "grace_period": "_burn_in_period",
            "resample_probability": "_resample_probability",
            "factors": "_perturbation_factors",
        },
    ),
    "PB2": ("pbt", _POPULATION),
    "FIFOScheduler": ("fifo", {}),
}
"""The job's scheduler for each of Ray Tune, and the attributes that keep the scheduler's settings."""

_LOWEST = {"grace_period": 1, "interval": 1, "min_samples_required": 1}
"""The lowest value of each setting that is a whole number."""

_REPORTS = "training_iteration"

_DRAWS = 1000
_MAX_LISTED = 20
"""How often a function is drawn from, and how many of its values are a choice."""


def _innermost(searcher: Any) -> Any:
    while (inner := getattr(searcher, "searcher", None)) is not None:
        searcher = inner
    return searcher


class TrainableAdapter(Adapter):
    """A function of Ray Tune as the function of a job."""

    library = "ray-tune"
    functions: ClassVar[Mapping[str, str]] = {"train": "config, state"}

    @staticmethod
    @contextmanager
    def patches() -> Iterator[None]:
        """A context in which Ray Tune keeps the arguments of Tuner and run, ends the program, and starts no Ray."""
        import ray
        from ray import tune

        def end(trainable: Any, space: Any, resources: Any, settings: Mapping[str, Any]) -> Any:
            target, asked = _split_resources(trainable)
            call = {"space": space or {}, "resources": asked or resources or {}, **settings}
            sources = (settings.get("scheduler"), _innermost(settings.get("search_alg")))
            known = settings.get("metric") or any(getattr(source, "_metric", None) for source in sources)
            end_program(target, call, now=bool(known))
            return _Results(lambda metric, mode: end_program(target, {**call, "metric": metric, "mode": mode}))

        class Tuner:
            def __init__(self, trainable: Any = None, **arguments: Any) -> None:
                self.trainable, self.arguments = trainable, arguments

            can_restore = staticmethod(lambda *_, **__: False)

            def fit(self) -> Any:
                configs = ("tune_config", _TUNE_CONFIG), ("run_config", _RUN_CONFIG)
                settings = {
                    name: getattr(self.arguments.get(config), name, None) for config, names in configs for name in names
                }
                return end(self.trainable, self.arguments.get("param_space"), None, settings)

        def run(run_or_experiment: Any, *, config: Any = None, resources_per_trial: Any = None, **given: Any) -> Any:
            settings = {name: given.get(name) for name in (*_TUNE_CONFIG, *_RUN_CONFIG)}
            return end(run_or_experiment, config, resources_per_trial, settings)

        replaced: list[tuple[Any, str, Any]] = [
            *((module, "Tuner", Tuner) for module in (tune, sys.modules["ray.tune.tuner"])),
            *((module, "run", run) for module in (tune, sys.modules["ray.tune.tune"])),
            (tune, "with_parameters", _with_parameters),
            (tune, "with_resources", _WithResources),
            *((ray, name, lambda *_, **__: None) for name in ("init", "shutdown")),
        ]
        with replaced_attributes(replaced):
            yield

    @cached_property
    def trainable(self) -> Any:
        """The function, with the parameters that tune.with_parameters gives it."""
        call = self.program.call
        return _split_resources(self.named)[0] if call is None else call.target

    @cached_property
    def mutations(self) -> dict[tuple[Any, ...], Any]:
        """What a population changes, by its places in the param_space."""
        given = getattr(self.arguments.get("scheduler"), "_hyperparam_mutations", None)
        return dict(leaves(given or {}))

    @cached_property
    def param_space(self) -> dict[str, Any]:
        """The param_space with what a population changes."""
        space = dict(self.arguments.get("space") or {})
        for place, value in self.mutations.items():
            inner = space
            for name in place[:-1]:
                inner[name] = inner = dict(inner.get(name) or {})
            inner[place[-1]] = value
        return space

    def fields(self, given: Mapping[str, Any], subject: str) -> dict[str, Any]:
        scheduler, search = self.arguments.get("scheduler"), _innermost(self.arguments.get("search_alg"))
        space = given.get("space") or self._space(subject)
        budget = self._budget(space)
        fields: dict[str, Any] = {"space": space, "function": "train", "budget": budget}
        metric, mode = (
            self.arguments.get(name) or getattr(scheduler, f"_{name}", None) or getattr(search, f"_{name}", None)
            for name in ("metric", "mode")
        )
        if metric and mode:
            metrics = metric if isinstance(metric, list | tuple) else [metric]
            modes = mode if isinstance(mode, list | tuple) else [mode] * len(metrics)
            fields["objectives"] = [Objective(str(each), how) for each, how in zip(metrics, modes, strict=True)]
        elif "objectives" not in given:
            allowed = "must be given, in tune.TuneConfig(metric=…, mode=…) or by --set 'objectives=[{\"metric\": …}]'"
            raise InvalidJob(subject, [Fault(subject, "no metric with a mode, min or max", allowed)])
        if (settings := _scheduler(scheduler, budget["epochs"])) is not None:
            fields["scheduler"] = settings
            if self.mutations and not given.get("space"):
                changed = map(name_of, self.mutations)
                settings["explore"] = [name for name in changed if isinstance(space[name], Domain)]
        resources = dict(self.arguments.get("resources") or {})
        fields["resources"] = {
            f"{name}s": float(resources[key])
            for name in ("cpu", "gpu")
            for key in (name, name.upper())
            if key in resources
        }
        others = [f"resources: {key}" for key in resources if str(key).lower() not in ("cpu", "gpu")]
        fields["start_with"], outside = start_configs(getattr(search, "_points_to_evaluate", None) or (), space)
        self.ignored = [*self._ignored(scheduler, search), *others, *outside]
        return fields

    def train(self, config: Mapping[str, Any], state: Any) -> Iterator[Any]:
        """The function's reports, each with its checkpoint."""
        from ray import tune

        whole, rules = config_of(self.param_space, config), _Rules(self.arguments.get("stop"))
        if inspect.isclass(self.trainable):
            return _class_steps(self.trainable, whole, state, rules)

        def train(steps: Steps) -> Any:
            checkpoint = None if state is None else tune.Checkpoint.from_directory(str(state))
            session = _Session(steps, checkpoint, rules)
            with reporting_to(session):
                value: Any = self.trainable(whole)
                if not inspect.isgenerator(value):
                    return value
                for report in value:
                    session.report(report)
                return None

        # What a function returns counts where it has reported nothing.
        return Steps(train, lambda value, count: None if count or value is None else numeric(flat(value)))

    def _space(self, subject: str) -> dict[str, Any]:
        """The space of the param_space; nested parameters are `outer_inner`."""
        space: dict[str, Any] = {}
        faults = []
        if not self.param_space and (search := _innermost(self.arguments.get("search_alg"))) is not None:
            faults.append(
                Fault("param_space", None, f"must have the space of {type(search).__name__}, which is not read")
            )
        for place, value in leaves(self.param_space):
            name = name_of(place)
            try:
                if name in space:
                    raise ValueError(f"must have another name: two hyperparameters are {name} in the tables")
                domain = self._mutated(value) if place in self.mutations else domain_of(value)
            except ValueError as error:
                faults.append(Fault(f"param_space.{'.'.join(map(str, place))}", value, str(error)))
                continue
            if domain is not None:
                space[name] = domain
        if faults:
            raise InvalidJob(subject, faults)
        return space

    def _mutated(self, value: Any) -> Any:
        """The values to which a population changes a hyperparameter, as a domain."""
        if isinstance(value, list | tuple | set | range):
            bounds = type(self.arguments["scheduler"]).__name__ == "PB2" and len(set(value)) > 1
            return Uniform(*value) if bounds else Choice(tuple(json_values(value)))
        return domain_of(value) if is_drawn(value) or not callable(value) else domain_of_draws(value)

    def _budget(self, space: Mapping[str, Any]) -> dict[str, Any]:
        scheduler, seconds = self.arguments.get("scheduler"), self.arguments.get("time_budget_s")
        budget: dict[str, Any] = {}
        if "num_samples" in self.arguments and (samples := self.arguments["num_samples"] or 1) != -1:
            grids = [len(domain.values) for domain in space.values() if isinstance(domain, Grid)]
            budget["trials"] = int(samples) * math.prod(grids)
        if seconds:
            budget["seconds"] = float(getattr(seconds, "total_seconds", lambda: seconds)())
        counts = [rule.get(_REPORTS) for rule in _parts(self.arguments.get("stop")) if isinstance(rule, Mapping)]
        if getattr(scheduler, "_time_attr", None) == _REPORTS:
            counts += [getattr(scheduler, name, None) for name in ("_max_t", "_max_t_attr")]
        budget["epochs"] = max(1, min((int(count) for count in counts if count), default=UNKNOWN_EPOCHS))
        return budget

    def _ignored(self, scheduler: Any, search: Any) -> list[str]:
        """The settings of the call that the job does not have."""
        kind, counted = type(scheduler).__name__, getattr(scheduler, "_time_attr", _REPORTS)
        names = [search if isinstance(search, str) else type(search).__name__] if search is not None else []
        if self.arguments.get("callbacks"):
            names.append("callbacks")
        if scheduler is not None and kind not in SCHEDULERS:
            names.append(kind)
        elif counted != _REPORTS:
            names.append(f"time_attr={counted}")
        if getattr(scheduler, "_custom_explore_fn", None) is not None:
            names.append("custom_explore_fn")
        return names


def _scheduler(scheduler: Any, epochs: int) -> dict[str, Any] | None:
    """The settings of the job's scheduler for one of Ray Tune; None without one."""
    kind, names = SCHEDULERS.get(type(scheduler).__name__, (None, {}))
    if kind is None:
        return None
    settings = {ours: getattr(scheduler, theirs) for ours, theirs in names.items()}
    if kind == "asha":
        settings["grace_period"] = min(milestone for milestone, _ in scheduler._brackets[0]._rungs)
    for name, lowest in _LOWEST.items():
        if name in settings:
            settings[name] = max(lowest, int(settings[name]))
    for name in ("grace_period", "interval"):
        if name in settings:
            settings[name] = min(settings[name], epochs)
    return {"kind": kind, **settings}


class _Results:
    """The results of a search without a metric: the first question about them says it, and ends the program."""

    def __init__(self, end: Callable[[Any, Any], None]) -> None:
        self._end = end

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda metric=None, mode=None, *_, **__: self._end(metric, mode)


def _with_parameters(trainable: Any, **parameters: Any) -> Any:
    if not inspect.isclass(trainable):
        return functools.partial(trainable, **parameters)

    class WithParameters(trainable):  # type: ignore[misc]
        def setup(self, config: Any) -> None:
            super().setup(config, **parameters)

    return WithParameters


class _WithResources:
    def __init__(self, trainable: Any, resources: Any) -> None:
        self.trainable, self.resources = trainable, resources


def _split_resources(trainable: Any) -> tuple[Any, Mapping[str, Any]]:
    """The trainable itself, and the resources that it requests."""
    if not isinstance(trainable, _WithResources):
        return trainable, {}
    # A PlacementGroupFactory requests all of its bundles.
    asked = getattr(trainable.resources, "required_resources", trainable.resources)
    return trainable.trainable, asked if isinstance(asked, Mapping) else {"a function": asked}


class _Rules:
    """The rules that end one trial: `stop` of RunConfig and of tune.run, asked after each report of the trial."""

    def __init__(self, stop: Any) -> None:
        trial = current()
        self.count, self._started = CONTINUED_FROM.get(), time.monotonic()
        self._trial = "trial" if trial is None else trial.id
        # A rule that remembers a trial's results begins again where the trial is replayed.
        self._rules = copy.deepcopy(_parts(stop))

    def end_after(self, metrics: Mapping[str, Any]) -> bool:
        """Whether the trial ends after a report: by a rule, or because the report says `done`."""
        self.count += 1
        seconds = time.monotonic() - self._started
        result = {_REPORTS: self.count, "time_total_s": seconds, "trial_id": self._trial, "done": False, **metrics}
        values = flat(result)
        # Each rule is asked, since it may count.
        answers = [
            any(name in values and values[name] >= bound for name, bound in rule.items() if name != _REPORTS)
            if isinstance(rule, Mapping)
            else bool(rule(self._trial, dict(result)))
            for rule in self._rules
        ]
        return any(answers) or bool(result["done"])


def _parts(stop: Any) -> list[Any]:
    """The rules of a `stop`: a dict of bounds, a function, a stopper, or a list of them."""
    return [rule for rule in (stop if isinstance(stop, list | tuple) else [stop]) if rule is not None]


class _Session:
    """What Ray's functions reach for a trial."""

    world_rank = world_size = local_rank = local_world_size = node_rank = None
    trial_resources = None

    def __init__(self, steps: Steps, checkpoint: Any, rules: _Rules) -> None:
        self._steps, self.loaded_checkpoint, self._rules = steps, checkpoint, rules
        trial = current()
        self.trial_id = self.trial_name = trial.id if trial is not None else "trial"
        self.trial_dir = str(trial.folder if trial is not None else Path.cwd())
        self.experiment_name = self.run_id = "tunepipe"

    def report(self, metrics: Any, checkpoint: Any = None, **_: Any) -> None:
        """Report an epoch, and wait for the next one."""
        with ExitStack() as opened:
            state = None if checkpoint is None else Path(opened.enter_context(checkpoint.as_directory()))
            self._steps.report((numeric(flat(metrics)), state), last=self._rules.end_after(metrics))


def _class_steps(trainable: type, config: dict[str, Any], state: Any, rules: _Rules) -> Iterator[Any]:
    """The results of a Trainable's steps."""
    from ray import tune

    trial = current()
    folder = str(Path.cwd() if trial is None else trial.folder)
    made = trainable(config, storage=SimpleNamespace(trial_fs_path=folder, trial_working_directory=folder))
    set_iteration(made, rules.count)
    saves = trainable.save_checkpoint is not tune.Trainable.save_checkpoint  # type: ignore[attr-defined]
    try:
        if state is not None:
            made.load_checkpoint(str(state) if isinstance(state, Path) else state)
        while True:
            result = made.step()
            ends, metrics = rules.end_after(result), numeric(flat(result))
            set_iteration(made, rules.count)
            if saves:
                with tempfile.TemporaryDirectory() as folder:
                    kept = made.save_checkpoint(folder)
                    yield metrics, kept if isinstance(kept, Mapping) else Path(kept or folder)
            else:
                yield metrics
            if ends:
                return
    finally:
        made.cleanup()


def leaves(space: Mapping[Any, Any], above: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The values of a param_space with their places."""
    for name, value in space.items():
        if isinstance(value, Mapping) and value and not is_drawn(value):
            yield from leaves(value, (*above, name))
        else:
            yield (*above, name), value


def name_of(place: tuple[Any, ...]) -> str:
    """The name of a parameter at a place: `outer_inner`."""
    return parameter_name("_".join(map(str, place)))


def is_drawn(value: Any) -> bool:
    """Whether Ray Tune draws a value of a param_space."""
    return type(value).__module__.startswith("ray.tune.search") or (
        isinstance(value, Mapping) and set(value) == {"grid_search"}
    )


def domain_of(value: Any) -> Any:
    """A value of a param_space as a domain, or a fixed value; None where a config does not have it."""
    if not is_drawn(value):
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
        if any(map(is_drawn, inner)):
            raise ValueError("must not be a list with domains: put them into a dict, each with its own name")
        return value if is_json(value) else None
    if isinstance(value, Mapping):
        return Grid(tuple(json_values(value["grid_search"])))
    kind = type(value).__name__
    if kind == "Function":
        try:
            return domain_of_draws((lambda: value.func(None)) if value.pass_config else value.func)
        except Exception:  # the function is the user's own
            raise ValueError("must not read other values in tune.sample_from: compute it in the function") from None
    sampler = value.get_sampler()
    quantum = getattr(sampler, "q", None)
    if quantum is not None:
        sampler = sampler.get_sampler()
    drawn = type(sampler).__name__.lower()
    normal, log = "normal" in drawn, "log" in drawn
    if kind == "Categorical":
        return choice(json_values(value.categories))
    if kind == "Integer":
        step = int(quantum or 1)
        # Ray's upper end is excluded, unless values are quantised.
        return integers(-(-int(value.lower) // step) * step, int(value.upper) - (quantum is None), step, log=log)
    if quantum is None and normal:
        # Nearly all of its draws.
        return Uniform(sampler.mean - 3 * sampler.sd, sampler.mean + 3 * sampler.sd)
    if quantum is None:
        return (LogUniform if log else Uniform)(value.lower, value.upper)
    if not normal and not log:
        return QUniform(value.lower, value.upper, quantum)
    raise ValueError(f"must be one of choice, uniform, loguniform, quniform, randn, randint, lograndint, qrandint and "
                     f"grid_search, and not {kind} with {type(sampler).__name__} and q={quantum}")  # fmt: skip


def domain_of_draws(draw: Callable[[], Any]) -> Any:
    """The domain of a function's values, from 1,000 of them: a range of many numbers, a choice of others.

    A range is logarithmic where the median of the values is nearer to the geometric mean of the ends.
    """
    with same_random_numbers():
        drawn: list[Any] = [plain(draw()) for _ in range(_DRAWS)]
    values = distinct(drawn)
    kinds = {type(value) for value in values}
    if len(values) <= _MAX_LISTED or not kinds <= {int, float}:
        return Choice(tuple(sorted(values) if kinds <= {int, float} else sorted(values, key=repr)))
    low, high, middle = min(values), max(values), statistics.median(drawn)
    logarithmic = low > 0 and middle < (math.sqrt(low * high) + (low + high) / 2) / 2
    if kinds == {int}:
        return IntUniform(low, high, log=logarithmic)
    return (LogUniform if logarithmic else Uniform)(low, high)


def config_of(space: Mapping[str, Any], config: Mapping[str, Any], above: tuple[Any, ...] = ()) -> dict[str, Any]:
    """The config as the function expects it: nested, with the values that are not parameters."""
    whole: dict[str, Any] = {}
    for name, value in space.items():
        place = (*above, name)
        if isinstance(value, Mapping) and value and not is_drawn(value):
            whole[name] = config_of(value, config, place)
        else:
            whole[name] = config.get(name_of(place), value)
    return whole
