"""Conversion of a parameter's values to the values of its column in the tables, and back."""

import json
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import pyarrow as pa

from pipeline.space.base import Domain, ListedDomain


def listed_values(domain: Any) -> tuple[Any, ...] | None:
    """The values of a parameter that lists them, or the value of a fixed parameter; None if it draws numbers."""
    if isinstance(domain, ListedDomain):
        return domain.values
    return None if isinstance(domain, Domain) else (domain,)


def column_type(domain: Any) -> pa.DataType:
    """The type of a parameter's column: float, int or bool for values of that type; text for others and for mixed
    ones.
    """
    values = listed_values(domain)
    if values is None:
        return pa.int64() if domain.whole else pa.float64()
    types = {type(value) for value in values}
    if types == {bool}:
        return pa.bool_()
    if types == {int}:
        return pa.int64()
    return pa.float64() if types <= {int, float} else pa.string()


def column_text(value: Any) -> str:
    """A value in a column of text: text unchanged, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def scalar(value: Any) -> bool | int | float | str:
    """A value for tools that know only numbers, booleans and text: None, lists and dicts become JSON."""
    return value if isinstance(value, int | float) else column_text(value)


def column_value(value: Any, type_: pa.DataType) -> Any:
    """A parameter's value as the value of its column."""
    return column_text(value) if pa.types.is_string(type_) else value


def config_value(cell: Any, listed: Sequence[Any] | None) -> Any:
    """A parameter's value from the value of its column: the inverse of `column_value`."""
    for value in listed or ():
        if _is_stored_as(value, cell):
            return deepcopy(value)
    if isinstance(cell, str) and cell[:1] in ("[", "{") and not all(isinstance(value, str) for value in listed or ()):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return cell


def _is_stored_as(value: Any, cell: Any) -> bool:
    if isinstance(cell, str):
        return column_text(value) == cell
    return bool(cell == value) and isinstance(cell, bool) == isinstance(value, bool)
