"""The fields of a job in a call of Optuna's `optimize`: objectives, budget and scheduler."""

import functools
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.adapters.loop_length import reports_of
from pipeline.adapters.loops import UNKNOWN_EPOCHS, mentions
from pipeline.adapters.optuna.internals import (
    constraints_of,
    factor_of,
    left_out_of_pruner,
    max_resource_of,
    max_trials_of,
    startup_of,
    warmup_of,
    wrapped_of,
)
from pipeline.adapters.optuna.return_values import other_return
from pipeline.adapters.optuna.samplers import has_searcher, searcher_of
from pipeline.study import Objective
from pipeline.wording import counted

METRIC = "value"
"""The metric of an objective with one value; with several they are value_0, value_1, …."""

_ANY_NUMBER = 1_000_000

EXCESS = "excess"
"""The metric of a constrained objective: the sum of the constraints that are above 0."""

_PRUNES = r"should_prune|Prun\w*Callback"
"""What the source of a module has if its objective asks whether it must end."""

_REPORTS = rf"\.report\(|{_PRUNES}"
"""What the source of a module has if its objective reports."""

_PRUNERS = {
    "MedianPruner": ("median", "grace_period"),
    "PercentilePruner": ("median", "grace_period"),
    "SuccessiveHalvingPruner": ("asha", "grace_period"),
    "HyperbandPruner": ("hyperband", "grace_period"),
    "NopPruner": ("fifo", None),
}
"""The scheduler of each pruner that has one, and its argument for the epochs that every trial has."""


def metrics_of(arguments: Mapping[str, Any]) -> list[str]:
    """The names of an objective's values."""
    names, count = arguments.get("names"), len(arguments["directions"])
    return list(names or ([METRIC] if count == 1 else [f"{METRIC}_{number}" for number in range(count)]))


def fields_of_study(arguments: Mapping[str, Any], metrics: Sequence[str], objective: Any) -> dict[str, Any]:
    """The fields of a job that a study and its objective say, without the space."""
    directions = arguments.get("directions") or ["minimize"] * len(metrics)
    pruner = wrapped_of(arguments.get("pruner"))
    budget: dict[str, Any] = {"epochs": _epochs(objective, pruner)}
    counts = [arguments.get("trials"), *map(max_trials_of, arguments.get("callbacks") or ())]
    if given := [int(count) for count in counts if count]:
        budget["trials"] = min(given)
    if arguments.get("seconds"):
        budget["seconds"] = float(arguments["seconds"])
    penalised = mentions(_function(objective), r"return .*\b(inf|nan)\b", without_text=False)
    if arguments.get("caught") or penalised:
        # Such trials are not an error: they never end the study.
        budget["max_failed_trials"] = budget.get("trials", _ANY_NUMBER)
    objectives = [
        Objective(name, "max" if direction == "maximize" else "min")
        for name, direction in zip(metrics, directions, strict=True)
    ]
    if is_constrained(arguments, objective):
        objectives.append(Objective(EXCESS, "min", at_most=0))
    fields: dict[str, Any] = {"objectives": objectives, "budget": budget}
    if searcher := searcher_of(arguments.get("sampler"), len(objectives)):
        fields["searcher"] = searcher
    # Optuna's own default is a MedianPruner; it counts only where the objective reports.
    if budget["epochs"] > 1 and (scheduler := _scheduler(objective, pruner, budget["epochs"])):
        fields["scheduler"] = scheduler
    return fields


def _scheduler(objective: Any, pruner: Any, epochs: int) -> dict[str, Any] | None:
    """The settings of the scheduler that ends trials as a pruner does; None if there is no such scheduler."""
    kind, argument = _PRUNERS.get(type(pruner).__name__, (None, None))
    grace, factor, startup = warmup_of(pruner), factor_of(pruner), startup_of(pruner)
    if not mentions(_function(objective), _PRUNES) or (kind and grace is not None and grace > epochs):
        # Nothing ends a trial that does not ask, or is over before its pruner begins.
        return {"kind": "fifo"}
    if kind is None:
        return None
    return {
        "kind": kind,
        **({argument: grace} if grace and argument else {}),
        **({"reduction_factor": factor} if factor is not None else {}),
        **({"min_samples_required": max(1, startup)} if startup is not None else {}),
    }


def is_constrained(arguments: Mapping[str, Any], objective: Any) -> bool:
    """Whether trials have constraints: an objective that reports has none, because it sets them after its reports."""
    return _has_constraints(arguments, objective) and _epochs(objective) == 1


def _has_constraints(arguments: Mapping[str, Any], objective: Any) -> bool:
    return constraints_of(arguments.get("sampler")) is not None or mentions(
        _function(objective), r"\.set_constraint\(", without_text=False
    )


def left_out_of_study(arguments: Mapping[str, Any], objective: Any) -> list[str]:
    """The settings of a study that a job does not have, a sentence each."""
    left_out = []
    pruner, sampler = arguments.get("pruner"), arguments.get("sampler")
    if pruner is not None and (wrapped_of(pruner) is not pruner or type(pruner).__name__ not in _PRUNERS):
        inner = wrapped_of(pruner)
        instead = (
            f"{type(inner).__name__} decides alone" if type(inner).__name__ in _PRUNERS else "set --scheduler instead"
        )
        left_out.append(f"{type(pruner).__name__} is ignored; {instead}.")
    if differing := left_out_of_pruner(wrapped_of(pruner)):
        verb = "is" if len(differing) == 1 else "are"
        left_out.append(f"{', '.join(differing)} of {type(wrapped_of(pruner)).__name__} {verb} ignored.")
    if added := arguments.get("added"):
        left_out.append(
            f"{counted(added, 'trial')} that the study already has {'is' if added == 1 else 'are'} ignored."
        )
    if not has_searcher(sampler):
        left_out.append(f"{type(sampler).__name__} is ignored; set --search instead.")
    if any(max_trials_of(callback) is None for callback in arguments.get("callbacks") or ()):
        left_out.append("The callbacks of optimize are ignored.")
    if (line := other_return(_function(objective))) is not None:
        left_out.append(f"The value that line {line} returns is ignored; the best value that is reported counts.")
    if mentions(_function(objective), r"\bstudy\.stop\(", without_text=False):
        left_out.append("study.stop() is ignored; the budget says when the study ends.")
    if _has_constraints(arguments, objective) and not is_constrained(arguments, objective):
        left_out.append("The constraints are ignored, because the objective reports values before it has them.")
    return left_out


def _function(objective: Any) -> Any:
    """The function that the user wrote, even behind a partial, a method or an object with `__call__`."""
    while isinstance(objective, functools.partial):
        objective = objective.func
    objective = getattr(objective, "__func__", objective)
    return objective if inspect.isfunction(objective) else vars(type(objective)).get("__call__", objective)


def stated_reports(objective: Any) -> int | None:
    """The number of reports of a trial according to the source of its objective; None if unknown."""
    return reports_of(_function(objective), "report", {})


def _epochs(objective: Any, pruner: Any = None) -> int:
    function = _function(objective)
    if count := stated_reports(objective):
        return count
    # A callback or a helper may report.
    return (max_resource_of(pruner) or UNKNOWN_EPOCHS) if mentions(function, _REPORTS) else 1
