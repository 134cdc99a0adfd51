"""The parameters of a user's function, from its definition."""

import inspect
from collections.abc import Callable, Container, Sequence
from typing import Any

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def takes_argument(function: Callable[..., Any]) -> bool:
    """Whether a function can be called with the config; a `build_model()` without parameters cannot."""
    parameters = _parameters(function)
    takes = (*_POSITIONAL, inspect.Parameter.VAR_POSITIONAL)
    return parameters is None or any(parameter.kind in takes for parameter in parameters)


def takes_state(function: Callable[..., Any]) -> bool:
    """Whether a job's function is `f(config, state)`: its second parameter is required, or called `state`."""
    positional = [parameter for parameter in _parameters(function) or () if parameter.kind in _POSITIONAL]
    second = positional[1] if len(positional) > 1 else None
    return second is not None and (second.default is inspect.Parameter.empty or second.name == "state")


def takes_hyperparameters(function: Callable[..., Any], names: Container[str]) -> bool:
    """Whether a function takes hyperparameters one by one, as `build_model(units, lr)`, instead of a config."""
    taken = [parameter.name for parameter in _parameters(function) or () if parameter.kind in _POSITIONAL]
    return len(taken) > 1 and all(name in names for name in taken)


def _parameters(function: Callable[..., Any]) -> Sequence[inspect.Parameter] | None:
    """The parameters of a function; None if they are unknown, as for some built-in functions."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
