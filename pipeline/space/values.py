"""Values of hyperparameters: their type, how pydantic reads them, and when two are equal."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeAlias

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, PlainValidator

from pipeline.space.base import Domain

Value: TypeAlias = JsonValue
"""A hyperparameter's value: None, true or false, a number, text, and lists and dicts of these."""

Config: TypeAlias = dict[str, Value]
"""Drawn values by parameter name."""

INT64 = 2**63
"""Whole numbers are below this in size, so that they fit in a column of the tables."""

LARGEST = 1e300
"""Larger bounds are refused, so that no sum or product of drawn values overflows."""

STRICT_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False, revalidate_instances="always")
"""How pydantic reads a dataclass that a user fills in. A constructor never raises: the job that contains it reports all
mistakes together."""

_DEEPEST = 32


def plain(value: object) -> object:
    """A NumPy scalar as a Python value; anything else unchanged."""
    return value.item() if isinstance(value, np.generic) else value


def key_of(value: Any) -> str:
    """A key by which values or whole configs are compared: 1, 1.0, True and "1" have four keys."""
    return json.dumps(value, sort_keys=True)


def leaves(value: Value) -> Iterator[Value]:
    """The values in lists and dicts of any depth; any other value itself."""
    if isinstance(value, list | dict):
        for inner in value if isinstance(value, list) else value.values():
            yield from leaves(inner)
    else:
        yield value


def _value(value: Any, depth: int = 0) -> Value:
    value = value.tolist() if isinstance(value, np.ndarray) else plain(value)
    if isinstance(value, list | tuple | Mapping):
        if depth == _DEEPEST:
            raise ValueError(f"must be nested at most {_DEEPEST} deep")
        if not isinstance(value, Mapping):
            return [_value(inner, depth + 1) for inner in value]
        if strange := [key for key in value if type(plain(key)) is not str]:
            raise ValueError(f"must have text as keys, and {strange[0]!r:.40} is {_kind(strange[0])}")
        return {str(_value(key)): _value(inner, depth + 1) for key, inner in value.items()}
    if value is not None and type(value) not in (bool, int, float, str):
        if isinstance(value, Domain):
            raise ValueError("must not contain a domain; the branches of a Switch may have domains")
        what = f", and it holds {_kind(value)}" if depth else ""
        raise ValueError(
            f"must be a JSON value (a number, text, true or false, null, or a list or an object of these){what}"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must hold finite numbers" if depth else "must be finite")
    if isinstance(value, int) and not -INT64 <= value < INT64:
        raise ValueError("must hold whole numbers that fit in 64 bits" if depth else "must fit in 64 bits")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("must be text that can be written as UTF-8") from None
    return value  # type: ignore[no-any-return]


def _kind(value: object) -> str:
    return f"of type {type(value).__name__}"


ReadValue: TypeAlias = Annotated[Value, PlainValidator(_value)]
"""A Value that pydantic does not convert: 1, 1.0, True and "1" stay different; tuples and arrays become lists."""

Real: TypeAlias = Annotated[float, BeforeValidator(plain), Field(strict=True)]
"""A number; pydantic refuses text, true and false."""

Whole: TypeAlias = Annotated[int, BeforeValidator(plain), Field(strict=True)]
"""A whole number; pydantic refuses text, fractions, true and false."""

Count: TypeAlias = Annotated[Whole, Field(ge=1, lt=2**31)]
"""A count; at least 1."""
