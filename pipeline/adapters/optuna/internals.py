"""The private names of Optuna that tunepipe uses; no other module uses them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def constraints_of(sampler: Any) -> Callable[[Any], Any] | None:
    """The function of a sampler that returns the constraints of a trial; None if it has none."""
    function: Callable[[Any], Any] | None = getattr(sampler, "_constraints_func", None)
    return function


def number_in_storage(trial: Any) -> int:
    """The number by which Optuna's storage knows a trial."""
    return int(trial._trial_id)


def warmup_of(pruner: Any) -> int | None:
    """The epochs that a pruner leaves every trial; None if it does not say."""
    kept = (getattr(pruner, name, None) for name in ("_n_warmup_steps", "_min_resource"))
    epochs = next((epochs for epochs in kept if isinstance(epochs, int)), None)
    # Successive halving begins at a later rung by this number.
    skipped = getattr(pruner, "_min_early_stopping_rate", 0)
    return epochs if not skipped else (epochs or 1) * (factor_of(pruner) or 1) ** skipped


def startup_of(pruner: Any) -> int | None:
    """The trials that end before a pruner judges others; None if it does not say."""
    trials = getattr(pruner, "_n_startup_trials", None)
    return trials if isinstance(trials, int) else None


def left_out_of_pruner(pruner: Any) -> list[str]:
    """The arguments of a pruner that differ from what its scheduler does, as the program writes them."""
    same = {"percentile": 50.0, "interval_steps": 1, "bootstrap_count": 0}
    given = {name: getattr(pruner, f"_{name}", value) for name, value in same.items()}
    return [f"{name}={value:g}" for name, value in given.items() if value != same[name]]


def factor_of(pruner: Any) -> int | None:
    """The reduction factor of a pruner with rungs; None if it has none."""
    factor = getattr(pruner, "_reduction_factor", None)
    return factor if isinstance(factor, int) else None


def max_resource_of(pruner: Any) -> int | None:
    """The largest number of reports that a pruner expects; None if it does not say."""
    longest = getattr(pruner, "_max_resource", None)
    return longest if isinstance(longest, int) else None


def wrapped_of(pruner: Any) -> Any:
    """The pruner that another one asks."""
    while (inner := getattr(pruner, "_wrapped_pruner", None)) is not None:
        pruner = inner
    return pruner


def grid_of(sampler: Any) -> Mapping[str, Sequence[Any]]:
    """The values that a GridSampler lists for each name; empty for other samplers."""
    return getattr(sampler, "_search_space", {}) if type(sampler).__name__ == "GridSampler" else {}


def fixed_of(sampler: Any) -> tuple[Mapping[str, Any], Any]:
    """The values that a PartialFixedSampler fixes, and the sampler of the others."""
    fixed = getattr(sampler, "_fixed_params", None)
    return ({}, sampler) if fixed is None else (fixed, getattr(sampler, "_base_sampler", None))


def max_trials_of(callback: Any) -> int | None:
    """The number of trials after which a MaxTrialsCallback ends its study; None for other callbacks."""
    return getattr(callback, "_n_trials", None) if type(callback).__name__ == "MaxTrialsCallback" else None


def stoppable(study: Any) -> Any:
    """A study whose `stop` may be called, as within `optimize`."""
    local = getattr(study, "_thread_local", None)
    if local is not None:
        local.in_optimize_loop = True
    return study
