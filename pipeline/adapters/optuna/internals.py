"""The private names of Optuna that tunepipe reads; no other module reads them."""

from collections.abc import Callable
from typing import Any

__all__ = ["constraints_of", "factor_of", "longest_of", "number_in_storage", "warmup_of"]


def constraints_of(sampler: Any) -> Callable[[Any], Any] | None:
    """The function of a sampler that returns the constraints of a trial; None if it has none.

    Args:
        sampler: The sampler, or None.
    """
    function: Callable[[Any], Any] | None = getattr(sampler, "_constraints_func", None)
    return function


def number_in_storage(trial: Any) -> int:
    """The number by which Optuna's storage knows a trial.

    Args:
        trial: The trial.
    """
    return int(trial._trial_id)


def warmup_of(pruner: Any) -> int | None:
    """The epochs that a pruner leaves every trial; None where it does not say.

    Args:
        pruner: The pruner, or None.
    """
    kept = (getattr(pruner, name, None) for name in ("_n_warmup_steps", "_min_resource"))
    return next((epochs for epochs in kept if isinstance(epochs, int)), None)


def factor_of(pruner: Any) -> int | None:
    """The reduction factor of a pruner with rungs; None where it has none.

    Args:
        pruner: The pruner, or None.
    """
    factor = getattr(pruner, "_reduction_factor", None)
    return factor if isinstance(factor, int) else None


def longest_of(pruner: Any) -> int | None:
    """The largest number of reports that a pruner expects; None where it does not say.

    Args:
        pruner: The pruner, or None.
    """
    longest = getattr(pruner, "_max_resource", None)
    return longest if isinstance(longest, int) else None
