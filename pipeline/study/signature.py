"""The parameters of a user's function, from its definition."""

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["takes_argument", "takes_state"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def takes_argument(function: Callable[..., Any]) -> bool:
    """Whether a function can be called with the config; a `build_model()` without parameters cannot.

    Args:
        function: The function.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(parameter.kind in (*_POSITIONAL, inspect.Parameter.VAR_POSITIONAL) for parameter in parameters)


def takes_state(function: Callable[..., Any]) -> bool:
    """Whether a job's function is `f(config, state)`: its second parameter is required, or called `state`.

    Args:
        function: The function.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
    second = positional[1] if len(positional) > 1 else None
    return second is not None and (second.default is inspect.Parameter.empty or second.name == "state")
