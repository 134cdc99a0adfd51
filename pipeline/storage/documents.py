"""JSON of unknown origin: strict JSON of limited depth."""

import json
from collections.abc import Iterable
from typing import Any

from pipeline.errors import StorageError

_DEEPEST = 100
"""Far below the depth at which a recursive function fails in Python."""


def from_json(content: bytes, name: str) -> Any:
    """Read the value of a JSON file."""
    try:
        document = json.loads(content.decode(), parse_constant=_refuse)
        level = [document]
        for _ in range(_DEEPEST):
            level = [item for value in level for item in _items(value)]
        if level:
            raise ValueError(f"it is nested more than {_DEEPEST} deep")
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{name} is not JSON: {error}. Restore the file that tunepipe wrote.") from None
    return document


def _items(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")
