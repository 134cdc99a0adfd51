"""Ray Tune: a function that reports by `tune.report`, or a Trainable class, as it is, with its param_space.

Each report is an epoch. A checkpoint that is reported is the function's state, and comes back by `get_checkpoint`.
"""

import copy
import functools
import inspect
import json
import math
import re
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from pipeline.adapters.parameters import UNKNOWN_EPOCHS, start_configs
from pipeline.adapters.program import Adapter, Call, end_program, replaced_attributes
from pipeline.adapters.ray_space import (
    config_of,
    domain_of,
    domain_of_draws,
    is_drawn,
    is_function,
    leaves,
    name_of,
    with_draws,
    with_functions,
)
from pipeline.adapters.steps import Steps, flat, numeric
from pipeline.errors import Fault, InvalidJob
from pipeline.execution.ray.internals import reporting_to, set_iteration
from pipeline.space import Domain, Grid
from pipeline.study import Objective
from pipeline.study.context import continued_from, current

FACTS = {
    "metric": ("_metric",),
    "mode": ("_mode",),
    "longest": ("_max_t", "_max_t_attr"),
    "time": ("_time_attr",),
    "grace": ("_grace_period",),
    "factor": ("_reduction_factor", "_eta"),
    "interval": ("_perturbation_interval",),
    "mutations": ("_hyperparam_mutations",),
    "quantile": ("_quantile_fraction",),
    "resample": ("_resample_probability",),
    "samples": ("_min_samples_required",),
    "brackets": ("_brackets",),
    "burn_in": ("_burn_in_period",),
    "factors": ("_perturbation_factors",),
    "explore": ("_custom_explore_fn",),
    "synch": ("_synch",),
    "space": ("_space",),
    "points": ("_points_to_evaluate",),
    "reports": ("_max_iter",),
    "seconds": ("_timeout_seconds",),
    "stoppers": ("_stoppers",),
    "rungs": ("_rungs",),
}
"""The arguments of Ray Tune's schedulers, search algorithms and stoppers, and the attributes that keep them."""

_TUNE_CONFIG = ("metric", "mode", "num_samples", "scheduler", "search_alg", "time_budget_s")
_RUN_CONFIG = ("stop", "callbacks")
"""The settings of tune.TuneConfig and tune.RunConfig that are kept; tune.run has them as arguments."""

_SCHEDULERS = {
    "ASHAScheduler": "asha",
    "AsyncHyperBandScheduler": "asha",
    "HyperBandScheduler": "hyperband",
    "MedianStoppingRule": "median",
    "PopulationBasedTraining": "pbt",
    "PB2": "pb2",
    "FIFOScheduler": "fifo",
}

_REPORTS = "training_iteration"
_SPACES = ("param_space", "search_space", "space", "config")
"""Names of variables that hold a program's space, unless it calls Tuner.fit or tune.run."""

_ANONYMOUS = "_metric"
"""The metric of a number without a name, as Ray Tune calls it."""


def _fact(owner: Any, fact: str) -> Any:
    """An argument with which an object of Ray Tune was made; None without it."""
    return next((getattr(owner, name) for name in FACTS[fact] if hasattr(owner, name)), None)


def _innermost(searcher: Any) -> Any:
    while (inner := getattr(searcher, "searcher", None)) is not None:
        searcher = inner
    return searcher


class TrainableAdapter(Adapter):
    """A function of Ray Tune as the function of a job."""

    library = "ray-tune"
    search = "tuner.fit()"
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
            known = settings.get("metric") or any(_fact(source, "metric") for source in sources)
            end_program(target, call, now=bool(known))
            return _Results(lambda metric, mode: end_program(target, {**call, "metric": metric, "mode": mode}))

        class Tuner:
            def __init__(self, trainable: Any = None, **arguments: Any) -> None:
                self.trainable, self.arguments = trainable, arguments

            @staticmethod
            def can_restore(*_: Any, **__: Any) -> bool:
                # tunepipe has no experiments of Ray Tune: the program makes a new Tuner.
                return False

            def fit(self) -> Any:
                configs = (
                    (self.arguments.get("tune_config"), _TUNE_CONFIG),
                    (self.arguments.get("run_config"), _RUN_CONFIG),
                )
                settings = {name: getattr(config, name, None) for config, names in configs for name in names}
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
        with _train_as_tune(), replaced_attributes(replaced):
            yield

    def is_tuned_by(self, call: Call) -> bool:
        """Whether a call of Tuner.fit or tune.run has the function, with or without its own parameters."""
        return _without_parameters(call.target) is _without_parameters(_split_resources(self.named)[0])

    @cached_property
    def trainable(self) -> Any:
        """The function, with the parameters that tune.with_parameters gives it."""
        return self.call.target if self.call is not None else _split_resources(self.named)[0]

    @cached_property
    def given_space(self) -> dict[str, Any]:
        """The param_space of the program, or of a variable with a usual name."""
        if "space" in self.arguments:
            return dict(self.arguments["space"])
        home = {} if self.program is None else vars(self.program.module)
        return next((dict(home[name]) for name in _SPACES if isinstance(home.get(name), Mapping)), {})

    @cached_property
    def param_space(self) -> dict[str, Any]:
        """The param_space with what a population changes, and with the ranges of functions that only draw."""
        space = with_draws(self.given_space)
        for place, value in leaves(_fact(self.arguments.get("scheduler"), "mutations") or {}):
            inner = space
            for name in place[:-1]:
                inner[name] = inner = dict(inner.get(name) or {})
            inner[place[-1]] = self._mutation(value, inner.get(place[-1]))
        return space

    def _mutation(self, value: Any, own: Any) -> Any:
        """The values to which a population changes a hyperparameter, as a domain of Ray Tune."""
        from ray import tune

        if isinstance(value, list | tuple | set | range):
            bounds = type(self.arguments["scheduler"]).__name__ == "PB2" and len(set(value)) > 1
            drawn = tune.uniform(*value) if bounds else tune.choice(list(value))
        else:
            drawn = value if is_drawn(value) or not callable(value) else domain_of_draws(value)
        # Where the first values are whole numbers, Ray Tune rounds the others.
        whole = (isinstance(own, int) and not isinstance(own, bool)) or type(own).__name__ == "Integer"
        if whole and type(drawn).__name__ == "Float":
            domain = domain_of(drawn)
            low, high = (round(end) for end in domain.span)
            drawn = (tune.lograndint if domain.logarithmic and low > 0 else tune.randint)(low, high + 1)
        return drawn

    def fields(self, given: Mapping[str, Any], subject: str) -> dict[str, Any]:
        """The fields of a job, as far as the function and its program define them."""
        if not callable(self.trainable):
            raise InvalidJob(subject, [Fault("name", None, "must be a function of Ray Tune, or a Trainable class")])
        line = "" if self.call is None else self.call.line
        scheduler, search = self.arguments.get("scheduler"), _innermost(self.arguments.get("search_alg"))
        if _fact(scheduler, "explore") is not None and not _fact(scheduler, "mutations"):
            allowed = "must come with hyperparam_mutations, which say what may change: its function is not called"
            raise InvalidJob("the scheduler", [Fault(line, "custom_explore_fn", allowed)])
        if self.call is not None and _fact(search, "space") and not self.param_space and not given.get("space"):
            allowed = "must have the space in param_space of tune.Tuner, in domains such as tune.uniform"
            raise InvalidJob(subject, [Fault(line, f"a space in {type(search).__name__}", allowed)])
        space = self._space(subject)
        budget = self._budget(space)
        fields: dict[str, Any] = {"space": space, "function": "train", "budget": budget}
        metric, mode = (
            self.arguments.get(name) or _fact(scheduler, name) or _fact(search, name) for name in ("metric", "mode")
        )
        if metric and mode:
            metrics = metric if isinstance(metric, list | tuple) else [metric]
            modes = mode if isinstance(mode, list | tuple) else [mode] * len(metrics)
            fields["objectives"] = [Objective(str(each), how) for each, how in zip(metrics, modes, strict=True)]
        elif "objectives" not in given:
            allowed = "must be given, in tune.TuneConfig(metric=…, mode=…) or by --set 'objectives=[{\"metric\": …}]'"
            raise InvalidJob(subject, [Fault(line or subject, "no metric with a mode, min or max", allowed)])
        explored = [name_of(place) for place, _ in leaves(_fact(scheduler, "mutations") or {})]
        if (settings := _scheduler(scheduler, budget["epochs"])) is not None:
            fields["scheduler"] = settings
            if explored:
                settings["explore"] = [name for name in explored if isinstance(space.get(name), Domain)]
        resources = dict(self.arguments.get("resources") or {})
        fields["resources"] = {
            ours: float(resources[theirs])
            for ours, names in (("cpus", ("cpu", "CPU")), ("gpus", ("gpu", "GPU")))
            for theirs in names
            if isinstance(resources.get(theirs), int | float)
        }
        self._start(fields, [self.given_space if explored else {}, *(_fact(search, "points") or ())], explored)
        self._note(scheduler, search)
        return fields

    def train(self, config: Mapping[str, Any], state: Any) -> Iterator[Any]:
        """The function's reports, each with its checkpoint."""
        from ray import tune

        trial = current()
        text = f"{0 if trial is None else trial.seed} {json.dumps(config, sort_keys=True)}"
        whole = with_functions(config_of(self.param_space, config), zlib.crc32(text.encode()))
        rules = _Rules(self.arguments.get("stop"), "trial" if trial is None else trial.id, continued_from())
        if inspect.isclass(self.trainable):
            return _class_steps(self.trainable, whole, state, rules)

        def train(steps: Steps) -> Any:
            checkpoint = None if state is None else tune.Checkpoint.from_directory(str(state))
            session = _Session(steps, checkpoint, rules)
            with reporting_to(session), _train_as_tune():
                value = self.trainable(whole)
                if not inspect.isgenerator(value):
                    return value
                for report in filter(None, value):
                    session.report(report if isinstance(report, Mapping) else {_ANONYMOUS: report})
                return None

        def returned(value: Any, count: int) -> Any:
            # What a function returns counts where it has reported nothing.
            if count or value is None:
                return None
            return numeric(flat(value)) if isinstance(value, Mapping) else {_ANONYMOUS: float(value)}

        return Steps(train, returned)

    def _space(self, subject: str) -> dict[str, Any]:
        """The space of the param_space; nested parameters are `outer_inner`."""
        space: dict[str, Any] = {}
        faults = []
        for place, value in leaves(self.param_space):
            name = name_of(place)
            try:
                if name in space:
                    raise ValueError(
                        f"must have another name: another hyperparameter has the same name in the tables, {name}"
                    )
                domain = domain_of(value)
            except ValueError as error:
                faults.append(Fault(self._line_of(str(place[-1])), ".".join(map(str, place)), str(error)))
                continue
            if domain is not None:
                space[name] = domain
        if faults:
            raise InvalidJob(subject, faults)
        return space

    def _line_of(self, key: str) -> str:
        """The first line of the program that has a text."""
        if self.program is None:
            return key
        file = Path(self.program.module.__file__ or "")
        lines = file.read_text(errors="replace").splitlines() if file.is_file() else []
        quoted = re.compile(rf"""["']{re.escape(key)}["']""")
        return f"{file.name}, line {next((n for n, line in enumerate(lines, 1) if quoted.search(line)), 1)}"

    def _budget(self, space: Mapping[str, Any]) -> dict[str, Any]:
        scheduler, stop = self.arguments.get("scheduler"), _parts(self.arguments.get("stop"))
        budget: dict[str, Any] = {}
        if "num_samples" in self.arguments and (samples := self.arguments["num_samples"] or 1) != -1:
            grids = [len(domain.values) for domain in space.values() if isinstance(domain, Grid)]
            budget["trials"] = int(samples) * math.prod(grids)
        limits = [self.arguments.get("time_budget_s"), *(_fact(rule, "seconds") for rule in stop)]
        if seconds := [getattr(each, "total_seconds", lambda each=each: each)() for each in limits if each]:
            budget["seconds"] = float(min(seconds))
        counts = [rule.get(_REPORTS) if isinstance(rule, Mapping) else _fact(rule, "reports") for rule in stop]
        if _fact(scheduler, "time") in (None, _REPORTS):
            counts.append(_fact(scheduler, "longest"))
        budget["epochs"] = max(1, min((int(count) for count in counts if count), default=UNKNOWN_EPOCHS))
        return budget

    def _start(self, fields: dict[str, Any], points: Iterable[Mapping[str, Any]], explored: list[str]) -> None:
        """The first configs, without the values that the space does not have."""
        first, outside = start_configs(
            [{name_of(place): value for place, value in leaves(point) if not is_drawn(value)} for point in points],
            {name: domain for name, domain in fields["space"].items() if isinstance(domain, Domain)},
        )
        if first:
            fields["start_with"] = first
            if fixed := [f"{name}={first[0][name]}" for name in explored if name in first[0]]:
                self.notes.append(f"Only the first trial begins with {', '.join(fixed)}.")
        if outside:
            self.notes.append(f"{', '.join(outside)} in the first configs is outside of the space, and drawn instead.")

    def _note(self, scheduler: Any, search: Any) -> None:
        """Say which settings of the call the job does not have."""
        kind, brackets = type(scheduler).__name__, _fact(scheduler, "brackets")
        for rule in filter(_compares, _parts(self.arguments.get("stop"))):
            self.notes.append(f"{type(rule).__name__} is ignored: a trial does not know the results of others.")
        if self.arguments.get("callbacks"):
            self.notes.append("The callbacks of the run are ignored.")
        if scheduler is not None and kind not in _SCHEDULERS:
            self.notes.append(f"{kind} is ignored; set --scheduler instead.")
        elif scheduler is not None:
            if (counted := _fact(scheduler, "time")) not in (None, _REPORTS):
                self.notes.append(f"{kind} counts {counted}; the scheduler of the job counts reports instead.")
            ignored = {"custom_explore_fn": _fact(scheduler, "explore"), "synch": _fact(scheduler, "synch")}
            ignored["brackets"] = _SCHEDULERS[kind] == "asha" and len(brackets) > 1
            if names := ", ".join(name for name, value in ignored.items() if value):
                self.notes.append(f"{names} of {kind}: ignored.")
        if search is not None:
            name = search if isinstance(search, str) else type(search).__name__
            self.notes.append(f"{name} is ignored; set --search instead.")
        if names := ", ".join(name_of(place) for place, value in leaves(self.param_space) if is_function(value)):
            self.notes.append(f"tune.sample_from is called in each trial for {names}, which the tables do not have.")


def _scheduler(scheduler: Any, epochs: int) -> dict[str, Any] | None:
    """The settings of the job's scheduler for one of Ray Tune; None without one."""
    kind = _SCHEDULERS.get(type(scheduler).__name__)
    grace, factor = _fact(scheduler, "grace"), _fact(scheduler, "factor")
    if kind == "asha" and grace is None:
        grace = min(milestone for milestone, _ in _fact(_fact(scheduler, "brackets")[0], "rungs"))
    settings: dict[str, Any] = {}
    if kind in ("asha", "median"):
        settings["grace_period"] = min(max(1, int(grace or 1)), epochs)
    if kind in ("asha", "hyperband"):
        settings["reduction_factor"] = max(2, int(factor or 3))
    if kind == "median":
        settings["min_samples_required"] = max(1, int(_fact(scheduler, "samples") or 1))
    if kind in ("pbt", "pb2"):
        settings["interval"] = min(max(1, int(_fact(scheduler, "interval") or 1)), epochs)
        if (quantile := _fact(scheduler, "quantile")) is not None:
            settings["quantile"] = float(quantile)
        if burn_in := int(_fact(scheduler, "burn_in") or 0):
            settings["grace_period"] = min(burn_in, epochs)
    if kind == "pbt":
        settings["resample_probability"] = float(_fact(scheduler, "resample"))
        settings["factors"] = [float(each) for each in _fact(scheduler, "factors")]
    return None if kind is None else {"kind": kind, **settings}


class _Results:
    """The results of a search without a metric: the first question about them says it, and ends the program."""

    def __init__(self, end: Callable[[Any, Any], None]) -> None:
        self._end = end

    def __getattr__(self, name: str) -> Callable[..., None]:
        def ask(metric: Any = None, mode: Any = None, *_: Any, **__: Any) -> None:
            self._end(metric, mode)

        return ask


@contextmanager
def _train_as_tune() -> Iterator[None]:
    """A context in which ray.train's report, get_checkpoint and get_context are ray.tune's, as in earlier versions."""
    from ray import train, tune

    def report(metrics: Mapping[str, Any], checkpoint: Any = None, **_: Any) -> None:
        tune.report(dict(metrics), checkpoint=checkpoint)

    replaced = {"report": report, "get_checkpoint": tune.get_checkpoint, "get_context": tune.get_context}
    with replaced_attributes((train, name, value) for name, value in replaced.items()):
        yield


def _with_parameters(trainable: Any, **parameters: Any) -> Any:
    if not inspect.isclass(trainable):
        return functools.partial(trainable, **parameters)

    class WithParameters(trainable):  # type: ignore[misc]
        __wrapped__ = trainable

        def setup(self, config: Any) -> None:
            super().setup(config, **parameters)

    return WithParameters


def _without_parameters(function: Any) -> Any:
    while isinstance(function, functools.partial) or (inspect.isclass(function) and "__wrapped__" in vars(function)):
        function = function.func if isinstance(function, functools.partial) else vars(function)["__wrapped__"]
    return function


class _WithResources:
    def __init__(self, trainable: Any, resources: Any) -> None:
        self.trainable, self.resources = trainable, resources


def _split_resources(trainable: Any) -> tuple[Any, Mapping[str, Any]]:
    """The trainable itself, and the resources that it requests."""
    resources: Mapping[str, Any] = {}
    while isinstance(trainable, _WithResources):
        resources = trainable.resources if isinstance(trainable.resources, Mapping) else {}
        trainable = trainable.trainable
    return trainable, resources


class _Rules:
    """The rules that end one trial: `stop` of RunConfig and of tune.run, asked after each report of the trial."""

    def __init__(self, stop: Any, trial: str, count: int) -> None:
        self._trial, self.count, self._started = trial, count, time.monotonic()
        rules = [rule for rule in _parts(stop) if not _compares(rule)]
        try:
            # A rule that remembers a trial's results begins again where the trial is replayed.
            self._rules: list[Any] = copy.deepcopy(rules)
        except Exception:  # the rules are the user's own
            self._rules = rules

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
    """The rules of a `stop`: a dict, a function, a stopper, or a list of stoppers."""
    if isinstance(stop, list | tuple):
        return [part for each in stop for part in _parts(each)]
    if (inner := _fact(stop, "stoppers")) is not None:
        return _parts(list(inner))
    return [stop] if callable(stop) or isinstance(stop, Mapping) else []


def _compares(rule: Any) -> bool:
    """Whether a stopper compares all trials."""
    return type(rule).__name__ == "ExperimentPlateauStopper"


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

    def report(self, metrics: Mapping[str, Any], checkpoint: Any = None, **_: Any) -> None:
        """Report an epoch, and wait for the next one."""
        with ExitStack() as opened:
            state = None if checkpoint is None else Path(opened.enter_context(checkpoint.as_directory()))
            self._steps.report((numeric(flat(metrics)), state), last=self._rules.end_after(metrics))


def _class_steps(trainable: type, config: dict[str, Any], state: Any, rules: _Rules) -> Iterator[Any]:
    """The results of a Trainable's steps."""
    from ray import tune
    from ray.tune.result import TRIAL_INFO

    trial, arguments = current(), {}
    if trial is not None and "storage" in inspect.signature(trainable).parameters:
        # The id and the folder of the trial.
        info = SimpleNamespace(trial_id=trial.id, trial_name=trial.id, trial_resources=None, experiment_name="tunepipe")
        config, folder = {**config, TRIAL_INFO: info}, str(trial.folder)
        arguments["storage"] = SimpleNamespace(trial_fs_path=folder, trial_working_directory=folder)
    made = trainable(config=config, **arguments)
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
