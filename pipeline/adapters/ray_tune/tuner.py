"""The fields of a job in a call of Ray Tune: objectives, budget, scheduler and resources."""

import inspect
import math
from collections.abc import Mapping
from typing import Any

from pipeline.adapters.loop_length import YIELDS, first_parameter, known_values, reports_of
from pipeline.adapters.loops import UNKNOWN_EPOCHS, keywords_of, mentions
from pipeline.adapters.ray_tune.entry_points import without_parameters
from pipeline.adapters.ray_tune.stopping import ignored_rules, max_reports_of, seconds_of
from pipeline.execution.ray.internals import scheduler_facts, searcher_facts
from pipeline.space import Grid
from pipeline.study import Objective

_NOT_REPORTS = ("time_total_s", "time_since_restore", "timesteps_total")
"""What a scheduler may count that says nothing about the number of reports, by names of Ray Tune."""


def fields_of_tuner(
    arguments: Mapping[str, Any], trainable: Any, param_space: Mapping[str, Any], space: Mapping[str, Any], source: str
) -> dict[str, Any]:
    """The fields of a job that a call of Tuner.fit or tune.run says, without the space."""
    fields: dict[str, Any] = {}
    scheduler, search = scheduler_facts(arguments.get("scheduler")), searcher_facts(arguments.get("search_alg"))
    metric = arguments.get("metric") or scheduler.get("metric") or search["metric"]
    mode = arguments.get("mode") or scheduler.get("mode") or search["mode"]
    metric = metric or keywords_of(source, "metric")
    mode = mode or keywords_of(source, "mode", together_with="metric")
    if metric and mode:
        fields["objectives"] = _objectives(metric, mode)
    budget: dict[str, Any] = {}
    if "num_samples" in arguments and (samples := arguments["num_samples"] or 1) != -1:
        grids = [len(domain.values) for domain in space.values() if isinstance(domain, Grid)]
        budget["trials"] = int(samples) * math.prod(grids)
    limits = [_seconds(arguments.get("time_budget_s")), seconds_of(arguments.get("stop"))]
    if known := [seconds for seconds in limits if seconds]:
        budget["seconds"] = min(known)
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
    longest = scheduler.get("longest")
    counts_reports = scheduler.get("time") in (None, "training_iteration")
    limits = [
        max_reports_of(arguments.get("stop")),
        longest if counts_reports else None,
    ]
    if not inspect.isclass(trainable):
        limits.append(stated_reports(trainable, param_space))
    if known := [int(limit) for limit in limits if limit is not None]:
        return max(1, min(known))
    if longest and scheduler.get("time") not in _NOT_REPORTS:
        return int(longest)
    # A callback or a helper may report.
    repeats = (
        inspect.isclass(trainable)
        or _yields(without_parameters(trainable))
        or mentions(without_parameters(trainable), "(?i)report")
    )
    return UNKNOWN_EPOCHS if repeats else 1


def stated_reports(trainable: Any, config: Mapping[str, Any]) -> int | None:
    """The number of reports of a trial according to the source of its function; None if unknown."""
    function = without_parameters(trainable)
    method = YIELDS if _yields(function) else "report"
    return reports_of(function, method, dict(known_values(config, first_parameter(function))))


def _yields(function: Any) -> bool:
    """Whether a function yields what it reports."""
    return inspect.isgeneratorfunction(function)


def _seconds(limit: Any) -> float | None:
    """The seconds of a number or of a timedelta."""
    return None if limit is None else float(getattr(limit, "total_seconds", lambda: limit)())


def _scheduler(facts: Mapping[str, Any], epochs: int) -> dict[str, Any] | None:
    kind, grace = facts.get("kind"), min(max(1, int(facts.get("grace") or 1)), epochs)
    if kind in ("ASHAScheduler", "AsyncHyperBandScheduler"):
        return {"kind": "asha", "grace_period": grace, "reduction_factor": max(2, int(facts.get("factor") or 4))}
    if kind == "MedianStoppingRule":
        samples = facts.get("samples")
        return {
            "kind": "median",
            "grace_period": grace,
            **({} if samples is None else {"min_samples_required": max(1, int(samples))}),
        }
    if kind in ("PopulationBasedTraining", "PB2"):
        numbers = {"quantile": facts.get("quantile")}
        if kind == "PopulationBasedTraining":
            numbers["resample_probability"] = facts.get("resample")
        factors = facts.get("factors") if kind == "PopulationBasedTraining" else None
        burn_in = int(facts.get("burn_in") or 0)
        return {
            "kind": {"PopulationBasedTraining": "pbt"}.get(kind, "pb2"),
            "interval": min(max(1, int(facts.get("interval") or 1)), epochs),
            **{name: float(share) for name, share in numbers.items() if share is not None},
            **({"factors": [float(factor) for factor in factors]} if factors else {}),
            **({"grace_period": min(burn_in, epochs)} if burn_in > 0 else {}),
        }
    if kind == "HyperBandScheduler":
        return {"kind": "hyperband", "reduction_factor": facts.get("factor") or 3}
    return {"kind": "fifo"} if kind == "FIFOScheduler" else None


def left_out_of_tuner(arguments: Mapping[str, Any]) -> list[str]:
    """The settings of a call of Tuner.fit or tune.run that a job does not have, a sentence each."""
    left_out = ignored_rules(arguments.get("stop"))
    if arguments.get("callbacks"):
        left_out.append("The callbacks of the run are ignored.")
    facts = scheduler_facts(arguments.get("scheduler"))
    if facts and _scheduler(facts, 1) is None:
        left_out.append(f"{facts['kind']} is ignored; set --scheduler instead.")
    if facts and _scheduler(facts, 1) is not None and facts.get("time") not in (None, "training_iteration"):
        left_out.append(f"{facts['kind']} counts {facts['time']}; the scheduler of the job counts reports instead.")
    if facts and (differing := _differing(facts)):
        verb = "is" if len(differing) == 1 else "are"
        left_out.append(f"{', '.join(differing)} of {facts['kind']} {verb} ignored.")
    if arguments.get("search_alg") is not None:
        left_out.append(f"{searcher_facts(arguments['search_alg'])['kind']} is ignored; set --search instead.")
    return left_out


def _differing(facts: Mapping[str, Any]) -> list[str]:
    """The arguments of a scheduler of Ray Tune that differ from what the scheduler of the job does."""
    if _scheduler(facts, 1) is None:
        return []
    found = []
    if facts["kind"] != "HyperBandScheduler" and len(facts.get("brackets") or ()) > 1:
        found.append(f"brackets={len(facts['brackets'])}")
    if facts.get("explore") is not None:
        found.append("custom_explore_fn")
    if facts.get("synch"):
        found.append("synch=True")
    return found
