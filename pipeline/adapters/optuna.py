"""Optuna: an `objective(trial)`, as it is, as the function of a job.

`trial.report` is an epoch, and `trial.should_prune` is true when the scheduler has stopped the trial. The space is
found by running the objective: up to its reports, or until it suggests nothing more.
"""

import ctypes
import inspect
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from pipeline.adapters.parameters import (
    UNKNOWN_EPOCHS,
    Hyperparameter,
    choice,
    distinct,
    explore,
    floats,
    integers,
    json_values,
    parameter_name,
    space_of,
    start_configs,
    tried,
    value_in,
)
from pipeline.adapters.program import Adapter, end_program, replaced_attributes, user_place
from pipeline.adapters.steps import Steps, numeric
from pipeline.errors import Fault, InvalidJob
from pipeline.space import Domain, Grid, combinations
from pipeline.study import Objective
from pipeline.study.context import current
from pipeline.text import counted

_MAX_RUNS = 40
_FIRST_SECONDS = 60.0
_ANY_NUMBER = 1_000_000
_SEARCHERS = {
    "RandomSampler": "random",
    "TPESampler": "tpe",
    "GPSampler": "gp",
    "QMCSampler": "sobol",
    "GridSampler": "grid",
    "BruteForceSampler": "grid",
}
_MEDIAN = ("median", {"grace_period": "_n_warmup_steps", "min_samples_required": "_n_startup_trials"})
_CONSTRAINTS = "constraints"
"""The metric of a trial's constraints: the sum of what is beyond 0."""

PRUNERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "MedianPruner": _MEDIAN,
    "PercentilePruner": _MEDIAN,
    "SuccessiveHalvingPruner": (
        "asha",
        {"grace_period": "_min_resource", "reduction_factor": "_reduction_factor"},
    ),
    "HyperbandPruner": ("hyperband", {"reduction_factor": "_reduction_factor"}),
    "NopPruner": ("fifo", {}),
}
"""The scheduler for each pruner, and the attributes of the pruner that keep the scheduler's settings."""


class ObjectiveAdapter(Adapter):
    """An objective of Optuna as the function of a job."""

    library = "optuna"
    functions: ClassVar[Mapping[str, str]] = {"objective": "config"}

    @staticmethod
    @contextmanager
    def patches() -> Iterator[None]:
        """A context in which studies are in memory, keep the arguments of `optimize`, and end the program there."""
        import optuna

        create = optuna.create_study

        def create_study(**given: Any) -> Any:
            return create(**{name: value for name, value in given.items() if name not in ("storage", "load_if_exists")})

        replaced: list[tuple[Any, str, Any]] = [
            (optuna.study.Study, "optimize", _optimize),
            (optuna.study.Study, "ask", lambda study, *_, **__: _optimize(study, None)),
        ]
        for module in (optuna, optuna.study):
            # A program that starts again would delete the user's own study.
            replaced += [(module, "create_study", create_study), (module, "delete_study", lambda **_: None)]
        with replaced_attributes(replaced):
            yield

    @cached_property
    def target(self) -> Any:
        """The objective; of a program, what `optimize` has, such as a lambda that calls the objective with the data."""
        tuned = None if self.program.call is None else self.program.call.target
        return self.named if tuned is None else tuned

    @cached_property
    def metrics(self) -> list[str]:
        """The names of the objective's values."""
        count = len(self.arguments.get("directions", ["minimize"]))
        return ["value"] if count == 1 else [f"value_{number}" for number in range(count)]

    def fields(self, given: Mapping[str, Any], subject: str) -> dict[str, Any]:
        if self.target is None and self.program.call is not None:
            allowed = "must be study.optimize(objective, …): move the body of the loop into a function objective(trial)"
            raise InvalidJob(subject, [Fault(self.program.call.line, "study.ask()", allowed)])
        try:
            inspect.signature(self.target).bind(None)
        except TypeError as error:
            allowed = "must be a function objective(trial): give other parameters defaults, or set them in a lambda"
            raise InvalidJob(subject, [Fault("parameters", str(error), allowed)]) from None
        sampler, pruner = self.arguments.get("sampler"), self.arguments.get("pruner")
        directions = self.arguments.get("directions", ["minimize"])
        runs = _runs(self.target)
        space = given.get("space")
        if not space:
            space = space_of((one for run in runs for one in run.found.values()), subject)
            grid = getattr(sampler, "_search_space", {}) if type(sampler).__name__ == "GridSampler" else {}
            space |= {parameter_name(name): Grid(tuple(distinct(values))) for name, values in grid.items()}
        objectives = [
            Objective(name, "max" if direction == "maximize" else "min")
            for name, direction in zip(self.metrics, directions, strict=True)
        ]
        constrained = getattr(sampler, "_constraints_func", None) is not None or any(run.constrained for run in runs)
        if bounded := constrained and not any(run.reports for run in runs):
            # Optuna, too, ranks trials that violate constraints by the sum of what is beyond 0.
            objectives.append(Objective(_CONSTRAINTS, "min", at_most=0))
        budget = self._budget(runs)
        fields: dict[str, Any] = {"space": space, "function": "objective", "objectives": objectives, "budget": budget}
        if searcher := _SEARCHERS.get(type(sampler).__name__):
            fields["searcher"] = "motpe" if searcher == "tpe" and len(objectives) > 1 else searcher
        if searcher == "grid" and (count := combinations(space)) is not None:
            budget["trials"] = min(count, budget.get("trials", count))
        if any(run.reports for run in runs):
            fields["scheduler"] = self._scheduler(runs, budget["epochs"])
        ignored = {
            type(pruner).__name__: pruner is not None and type(pruner).__name__ not in PRUNERS,
            type(sampler).__name__: sampler is not None and not searcher,
            "constraints": constrained and not bounded,
            "callbacks": bool(self.arguments.get("callbacks")),
        }
        fields["start_with"], outside = start_configs(self.arguments.get("enqueued", ()), space)
        self.ignored = [*(name for name, is_set in ignored.items() if is_set), *outside]
        return fields

    def objective(self, config: Mapping[str, Any]) -> Iterator[Any]:
        """The reports of the objective, or its value."""
        trial = current()
        number = int(trial.id) if trial is not None and trial.id.isdigit() else 0

        def train(steps: Steps) -> Any:
            from optuna.exceptions import TrialPruned

            def report(value: float) -> None:
                steps.report({**numeric(shown.user_attrs), self.metrics[0]: value})

            shown = _trial(config, report=report, pruned=lambda: steps.stopped, number=number)
            try:
                value = self.target(shown)
            except TrialPruned:
                if steps.stopped:
                    return None
                # The program gives the config up by itself: the trial fails with its reason, and is never the best.
                raise
            values = list(value) if isinstance(value, Sequence) else [value]
            if not steps.count and len(values) != len(self.metrics):
                raise ValueError(f"the objective returned {counted(len(values), 'value')}, not {len(self.metrics)}")
            judge = getattr(self.arguments.get("sampler"), "_constraints_func", None)
            limits = judge(shown) if judge is not None else shown.constraints.values()
            own = {_CONSTRAINTS: sum(max(0.0, float(limit)) for limit in limits)} if limits else {}
            return {**numeric(shown.user_attrs), **dict(zip(self.metrics, values, strict=False)), **own}

        return Steps(train, lambda value, count: None if count else value)

    def _budget(self, runs: "Sequence[_Run]") -> dict[str, Any]:
        longest = getattr(self.arguments.get("pruner"), "_max_resource", None)
        epochs = longest if isinstance(longest, int) else UNKNOWN_EPOCHS
        budget: dict[str, Any] = {"epochs": epochs if any(run.reports for run in runs) else 1}
        if self.arguments.get("trials"):
            budget["trials"] = int(self.arguments["trials"])
        if self.arguments.get("seconds"):
            budget["seconds"] = float(self.arguments["seconds"])
        if self.arguments.get("caught") or any(run.failed for run in runs):
            # Such trials are not an error: they never end the study.
            budget["max_failed_trials"] = budget.get("trials", _ANY_NUMBER)
        return budget

    def _scheduler(self, runs: "Sequence[_Run]", epochs: int) -> dict[str, Any] | None:
        """The scheduler that ends trials as the pruner does; None if there is no such scheduler."""
        pruner = self.arguments.get("pruner")
        kind, names = PRUNERS.get(type(pruner).__name__, (None, {}))
        if not any(run.asks for run in runs):
            # Nothing ends a trial that does not ask.
            kind, names = "fifo", {}
        kept = {ours: getattr(pruner, theirs) for ours, theirs in names.items()}
        settings = {name: value for name, value in kept.items() if isinstance(value, int) and value > 0}
        if "grace_period" in settings:
            settings["grace_period"] = min(settings["grace_period"], epochs)
        return None if kind is None else {"kind": kind, **settings}


def _optimize(
    study: Any, func: Any, n_trials: Any = None, timeout: Any = None, _jobs: Any = None, catch: Any = (),
    callbacks: Any = None, **_: Any,
) -> None:  # fmt: skip
    """As Study.optimize, which ends the program."""
    from optuna.trial import TrialState

    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    arguments = {
        "directions": [direction.name.lower() for direction in study.directions],
        "trials": n_trials,
        "seconds": timeout,
        "pruner": study.pruner,
        "sampler": study.sampler,
        "callbacks": callbacks,
        "caught": bool(catch),
        "enqueued": [trial.system_attrs.get("fixed_params", {}) for trial in waiting],
    }
    end_program(func, arguments)


def _trial(
    config: Mapping[str, Any],
    *,
    report: Callable[[float], None],
    pruned: Callable[[], bool],
    number: int = 0,
    suggested: Callable[[Hyperparameter], None] | None = None,
) -> Any:
    """Optuna's own trial with fixed values: those of a config, or with `suggested`, defaults where it has none."""
    import optuna

    class Trial(optuna.trial.FixedTrial):
        def __init__(self) -> None:
            super().__init__({}, number)
            self._steps: set[int] = set()

        def _suggest(self, name: str, distribution: Any) -> Any:
            try:
                domain = _domain(distribution)
            except ValueError as error:
                raise InvalidJob("the objective", [Fault(user_place(), name, str(error))]) from None
            if name not in self._params:
                try:
                    self._params[name] = value_in(config, name)
                except KeyError:
                    if suggested is None:
                        raise ValueError(
                            f"{user_place()}: the suggestion {name!r} was not found when the objective was translated, "
                            "because it depends on other suggestions in a way that no run showed"
                        ) from None
                    self._params[name] = _default(domain)
            if suggested is not None:
                suggested(Hyperparameter(name, domain, user_place()))
            return super()._suggest(name, distribution)

        def report(self, value: float, step: int) -> None:
            """An epoch, unless the step has a value already: as in Optuna, the first one counts."""
            if int(step) not in self._steps:
                self._steps.add(int(step))
                report(float(value))

        def should_prune(self) -> bool:
            """Whether the scheduler has stopped the trial."""
            return pruned()

    # Optuna's functions and callbacks ask whether they get a trial.
    optuna.trial.Trial.register(Trial)
    return Trial()


def _domain(distribution: Any) -> Any:
    """A distribution of Optuna as a domain."""
    kind = type(distribution).__name__
    if kind == "CategoricalDistribution":
        return choice(distinct(json_values(distribution.choices)))
    convert = integers if kind == "IntDistribution" else floats
    return convert(distribution.low, distribution.high, distribution.step, log=distribution.log)


def _default(domain: Any) -> Any:
    if not isinstance(domain, Domain):
        return domain
    return (tried(domain) or [domain.from_unit(0.4)])[0]


@dataclass(slots=True)
class _Run:
    """A run of an objective that finds its suggestions."""

    values: Mapping[str, Any]
    found: dict[str, Hyperparameter] = field(default_factory=dict)
    reports: int = 0
    asks: bool = False
    failed: bool = False
    constrained: bool = False
    last: float = field(default_factory=time.monotonic)
    """When it began, or made its last suggestion."""
    longest: float = 0.0
    """Seconds between two suggestions at most."""

    def suggested(self, one: Hyperparameter) -> None:
        """Keep a suggestion."""
        now = time.monotonic()
        self.longest = max(self.longest, now - self.last) if self.found else 0.0
        self.found.setdefault(one.name, one)
        self.last = now

    def report(self, _: float) -> None:
        """End the run at its second report."""
        self.reports += 1
        if self.reports > 1:
            raise _Enough

    def pruned(self) -> bool:
        """End the run."""
        self.asks = True
        raise _Enough


class _Enough(BaseException):
    """Ends an objective that runs to find its suggestions."""


def _runs(objective: Callable[[Any], Any]) -> list[_Run]:
    """Runs of the objective with other values, until they suggest nothing new."""
    runs: list[_Run] = []

    def run(values: Mapping[str, Any]) -> tuple[Mapping[str, Any], Iterable[Hyperparameter]]:
        runs.append(_run(objective, values, 1.0 + 3 * runs[0].longest if runs else _FIRST_SECONDS))
        return runs[-1].values, runs[-1].found.values()

    explore(run, limit=_MAX_RUNS)
    return runs


def _run(objective: Callable[[Any], Any], values: Mapping[str, Any], seconds: float) -> _Run:
    """Run an objective until its second report, its question whether to end, or some seconds after a suggestion."""
    from optuna.exceptions import TrialPruned

    run, here, ended = _Run(values), threading.get_ident(), threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            if run.found and time.monotonic() - run.last > seconds:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(here), ctypes.py_object(_Enough))
                return

    trial = _trial(values, report=run.report, pruned=run.pruned, suggested=run.suggested)
    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        try:
            objective(trial)
        finally:
            ended.set()
            watching.join()
    except _Enough:
        pass
    except TrialPruned:
        run.failed = True
    except Exception:
        if not values:
            raise
    run.values, run.constrained = dict(trial.params), bool(trial.constraints)
    return run
