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
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from pipeline.adapters.parameters import (
    UNKNOWN_EPOCHS,
    Hyperparameter,
    choice,
    distinct,
    explore,
    floats,
    identity,
    integers,
    json_values,
    parameter_name,
    space_of,
    start_configs,
    tried,
    value_in,
)
from pipeline.adapters.program import Adapter, Call, end_program, replaced_attributes, user_place
from pipeline.adapters.steps import Steps, numeric
from pipeline.errors import Fault, InvalidJob
from pipeline.space import Choice, Domain, Grid, IntUniform, combinations
from pipeline.study import Objective
from pipeline.study.context import current

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
    search = "study.optimize(…)"
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

    def is_tuned_by(self, call: Call) -> bool:
        """Whether a call of `optimize` has the objective, or may pass it additional arguments."""
        return call.target is None or call.target is self.named or bool(_further_parameters(self.named))

    @cached_property
    def target(self) -> Any:
        """The objective; of a program, what `optimize` has, such as a lambda that calls the objective with the data."""
        return self.named if self.call is None or (self.name and self.call.target is None) else self.call.target

    @cached_property
    def metrics(self) -> list[str]:
        """The names of the objective's values."""
        count = len(self.arguments.get("directions", ["minimize"]))
        names = self.arguments.get("names")
        return list(names or (["value"] if count == 1 else [f"value_{number}" for number in range(count)]))

    def fields(self, given: Mapping[str, Any], subject: str) -> dict[str, Any]:
        """The fields of a job, as far as the objective and its study define them."""
        if self.target is None and self.call is not None:
            allowed = "must be study.optimize(objective, …): move the body of the loop into a function objective(trial)"
            raise InvalidJob(subject, [Fault(self.call.line, "study.ask()", allowed)])
        further = _further_parameters(self.target)
        if further or not callable(self.target):
            found = f"also {', '.join(further)}" if further else None
            allowed = "must be a function objective(trial): give other parameters defaults, or set them in a lambda"
            raise InvalidJob(subject, [Fault("parameters", found, allowed)])
        sampler, pruner = self.arguments.get("sampler"), self.arguments.get("pruner")
        directions = self.arguments.get("directions", ["minimize"])
        runs = _runs(self.target)
        space: dict[str, Any] = given.get("space") or space_of(_joined(runs, subject), subject)
        if not given.get("space"):
            grid = getattr(sampler, "_search_space", None) if type(sampler).__name__ == "GridSampler" else None
            space |= {parameter_name(name): Grid(tuple(distinct(values))) for name, values in (grid or {}).items()}
        objectives = [
            Objective(name, "max" if direction == "maximize" else "min")
            for name, direction in zip(self.metrics, directions, strict=True)
        ]
        budget = self._budget(runs)
        fields: dict[str, Any] = {"space": space, "function": "objective", "objectives": objectives, "budget": budget}
        if searcher := _SEARCHERS.get(type(sampler).__name__):
            fields["searcher"] = "motpe" if searcher == "tpe" and len(objectives) > 1 else searcher
        if searcher == "grid" and (count := combinations(space)) is not None:
            budget["trials"] = min(count, budget.get("trials", count))
        if any(run.reports for run in runs):
            fields["scheduler"] = self._scheduler(runs, budget["epochs"])
        outside: list[str] = []
        if enqueued := self.arguments.get("enqueued"):
            fields["start_with"], outside = start_configs(enqueued, space)
        if pruner is not None and type(pruner).__name__ not in PRUNERS:
            self.notes.append(f"{type(pruner).__name__} is ignored; set --scheduler instead.")
        if sampler is not None and not searcher:
            self.notes.append(f"{type(sampler).__name__} is ignored; set --search instead.")
        if getattr(sampler, "_constraints_func", None) is not None or any(run.constrained for run in runs):
            self.notes.append("Constraints are ignored; set each as a user attribute, and bound it as an objective.")
        if self.arguments.get("callbacks"):
            self.notes.append("The callbacks of optimize are ignored.")
        if outside:
            self.notes.append(f"The enqueued {', '.join(outside)} are outside of the space, and drawn instead.")
        return fields

    def objective(self, config: Mapping[str, Any]) -> Iterator[Any]:
        """The reports of the objective, or its value."""
        trial = current()
        number = int(trial.id) if trial is not None and trial.id.isdigit() else 0

        def train(steps: Steps) -> Any:
            from optuna.exceptions import TrialPruned

            def report(value: float) -> None:
                steps.report({self.metrics[0]: value, **numeric(shown.user_attrs)})

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
                raise ValueError(f"the objective returned {len(values)} values; the study has {len(self.metrics)}")
            return {**dict(zip(self.metrics, values, strict=False)), **numeric(shown.user_attrs)}

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
        "names": study.metric_names,
        "enqueued": [trial.system_attrs.get("fixed_params", {}) for trial in waiting],
    }
    end_program(func, arguments)


def _further_parameters(function: Any) -> list[str]:
    """The parameters without defaults that a function has in addition to its first one."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters[1:] if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


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
                    self._params[name] = value_in(config, name, domain)
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
    if isinstance(domain, Choice):
        return domain.values[0]
    if isinstance(domain, IntUniform):
        return domain.nth((domain.count - 1) // 2) if domain.count > 10 else domain.low
    return domain.from_unit(0.4) if isinstance(domain, Domain) else domain


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of an objective that finds its suggestions."""

    values: Mapping[str, Any]
    found: Mapping[str, Hyperparameter]
    reports: bool
    asks: bool
    constrained: bool
    failed: bool
    longest: float
    """Seconds between two suggestions at most."""


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

    found: dict[str, Hyperparameter] = {}
    reports, asked, failed, waits = 0, False, False, [0.0]
    here, ended, last = threading.get_ident(), threading.Event(), [time.monotonic()]

    def suggested(one: Hyperparameter) -> None:
        found.setdefault(one.name, one)
        if len(found) > 1:
            waits.append(time.monotonic() - last[0])
        last[0] = time.monotonic()

    def report(_: float) -> None:
        nonlocal reports
        reports += 1
        if reports > 1:
            raise _Enough

    def pruned() -> bool:
        nonlocal asked
        asked = True
        raise _Enough

    def watch() -> None:
        while not ended.wait(0.05):
            if found and time.monotonic() - last[0] > seconds:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(here), ctypes.py_object(_Enough))
                return

    trial = _trial(values, report=report, pruned=pruned, suggested=suggested)
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
        failed = True
    except Exception:
        if not values:
            raise
    return _Run(dict(trial.params), found, reports > 0, asked, bool(trial.constraints), failed, max(waits))


def _joined(runs: Sequence[_Run], subject: str) -> list[Hyperparameter]:
    """The suggestions of all runs, with the conditions under which they are made."""
    suggestions: dict[str, Hyperparameter] = {}
    faults: dict[str, Fault] = {}
    for one in (one for run in runs for one in run.found.values()):
        known = suggestions.setdefault(one.name, one)
        if repr(known.domain) != repr(one.domain):
            found = f"{one.name} in {known.domain!r} and in {one.domain!r}"
            allowed = "must have a range that does not depend on other suggestions: suggest a share, and multiply"
            faults[one.name] = Fault(one.line, found, allowed)
    joined = []
    for one in suggestions.values():
        if all(one.name in run.found for run in runs):
            joined.append(one)
        elif (condition := _condition(one, runs, suggestions)) is not None:
            joined.append(replace(one, conditions=(condition,)))
        else:
            allowed = "must be made in each trial, or depend only on the value of one categorical or integer suggestion"
            faults.setdefault(one.name, Fault(one.line, one.name, allowed))
    if faults:
        raise InvalidJob(subject, list(faults.values()))
    return joined


def _condition(
    one: Hyperparameter, runs: Sequence[_Run], found: Mapping[str, Hyperparameter]
) -> tuple[str, tuple[Any, ...]] | None:
    """The suggestion whose value decides whether another is made, and the values that lead to it."""
    for parent, known in found.items():
        if parent == one.name or not isinstance(known.domain, Choice | IntUniform):
            continue
        made: dict[str | None, set[bool]] = {}
        for run in runs:
            there = one.name in run.found
            if parent in run.found:
                made.setdefault(identity(run.values[parent]), set()).add(there)
            elif there:
                made.setdefault(None, set()).update((True, False))
        values = {identity(value): value for value in tried(known.domain)}
        every = values.keys() <= made.keys() and len(values) == known.domain.count
        if every and all(len(each) == 1 for each in made.values()):
            return parent, tuple(value for key, value in values.items() if made[key] == {True})
    return None
