"""JSON that may come from anywhere: strictly JSON, and no deeper than anything written here."""

import json
from collections.abc import Iterable
from typing import Any

from pipeline.errors import StorageError

__all__ = ["from_json"]

_DEEPEST = 100
"""Far below the depth at which Python gives up, wherever the value is walked through."""


def from_json(content: bytes, name: str) -> Any:
    """The value of a JSON file.

    Args:
        content: The whole file.
        name: What to call it in an error.

    Raises:
        StorageError: It is not UTF-8, not JSON (NaN and Infinity are not), or nested too deeply.
    """
    try:
        value = json.loads(content.decode(), parse_constant=_refuse)
        level = [value]
        for _ in range(_DEEPEST):
            level = [item for each in level for item in _items(each)]
        if level:
            raise ValueError(f"it is nested more than {_DEEPEST} deep")
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{name} is not JSON: {error}. Put back the file that tunepipe wrote.") from None
    return value


def _items(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON's")
