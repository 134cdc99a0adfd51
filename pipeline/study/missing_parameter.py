"""The explanation of an error that the user's code raises where it reads a parameter that a config does not have."""

import ast
import linecache
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pipeline.space import Config, flat
from pipeline.study.user_frames import is_tunepipe_file
from pipeline.wording import closest, listed


def missing_parameter(error: BaseException, config: Config, space: Mapping[str, Any] | None = None) -> str:
    """Which parameters there are, where an error says that a config has no parameter of some name."""
    if isinstance(error, AttributeError) and error.name in config and _is_config(error.obj, config):
        return f"A config is a dictionary: read config[{error.name!r}]."
    name = error.args[0] if isinstance(error, KeyError) and error.args else None
    if not isinstance(name, str) or name in config or not _is_config(_subscripted(error), config):
        return ""
    names = list(config if space is None else flat(space))
    if name in names:
        return (
            f"The config of this trial has no {name}: only some branches of a Switch have it. Read it only where the "
            f"config has such a branch, or by config.get({name!r})."
        )
    near = closest(name, names)
    meant = f"Did you mean {near}? " if near is not None else ""
    return f"{meant}The space has {listed(names) or 'no hyperparameter'}, but no {name}."


def _subscripted(error: BaseException) -> Any:
    """The value of the variable in whose brackets the key was; None if it was not a variable of the user's code."""
    places = traceback.extract_tb(error.__traceback__)
    for (frame, _), place in zip(reversed(list(traceback.walk_tb(error.__traceback__))), reversed(places), strict=True):
        # A config that records what is read raises the error itself.
        if is_tunepipe_file(place.filename):
            continue
        line = linecache.getline(place.filename, place.lineno or 0).encode()
        with suppress(SyntaxError, ValueError, UnicodeDecodeError):
            read = ast.parse(line[place.colno : place.end_colno].decode().strip(), mode="eval").body
            if isinstance(read, ast.Subscript) and isinstance(read.value, ast.Name):
                return frame.f_locals.get(read.value.id)
        return None
    return None


def _is_config(value: Any, config: Config) -> bool:
    """Whether a value is the config, or a copy of it with more in it."""
    return isinstance(value, dict) and (config.keys() <= value.keys() if config else not value)
