"""Values that users write: their types, how pydantic reads them, when two are equal, and how tables store them."""

import json
import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import reduce
from operator import or_
from typing import Annotated, Any, ClassVar, TypeAlias

import numpy as np
import pyarrow as pa
from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, JsonValue, PlainValidator, Tag

Value: TypeAlias = JsonValue
"""A hyperparameter's value: None, true or false, a number, text, and lists and dicts of these."""

Config: TypeAlias = dict[str, Value]
"""Drawn values by parameter name."""

LARGEST = 1e300
"""Larger bounds are refused, so that no sum or product of drawn values overflows. It is also the violation of a bound
by a value that is not known: larger than any other, and finite, as JSON needs it."""

STRICT_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False, revalidate_instances="always")
"""How pydantic reads a dataclass that a user fills in. A constructor never raises: the job that contains it reports all
mistakes together."""

_DEEPEST = 32


def plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def key_of(value: Any) -> str:
    """A key by which values or whole configs are compared: 1, 1.0, True and "1" have four keys."""
    return json.dumps(value, sort_keys=True)


def _value(value: Any, depth: int = 0) -> Value:
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    if depth > _DEEPEST:
        raise ValueError(f"must be nested at most {_DEEPEST} deep")
    if isinstance(value, list | tuple):
        return [_value(inner, depth + 1) for inner in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {str(_value(str(key))): _value(inner, depth + 1) for key, inner in value.items()}
    if (value is None or type(value) in (bool, int, float, str)) and _is_storable(value):
        return value  # type: ignore[no-any-return]
    if hasattr(value, "from_unit"):
        raise ValueError("must not contain a domain; the branches of a Switch may have domains")
    raise ValueError(
        "must be a JSON value: a finite number, a whole one of at most 64 bits, text in UTF-8, true or false, null, or "
        f"a list or an object of these, with text as keys; found {value!r:.40} of type {type(value).__name__}"
    )


def _is_storable(value: Any) -> bool:
    if isinstance(value, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in value)
    return math.isfinite(value) if isinstance(value, float) else value is None or -(2**63) <= value < 2**63


ReadValue: TypeAlias = Annotated[Value, PlainValidator(_value)]
"""A Value that pydantic does not convert: 1, 1.0, True and "1" stay different; tuples and arrays become lists."""

Real: TypeAlias = Annotated[float, BeforeValidator(plain), Field(strict=True)]
"""A number; pydantic refuses text, true and false."""

Whole: TypeAlias = Annotated[int, BeforeValidator(plain), Field(strict=True)]
"""A whole number; pydantic refuses text, fractions, true and false."""

Count: TypeAlias = Annotated[Whole, Field(ge=1, lt=2**31)]

OpenSettings: TypeAlias = dict[Annotated[str, Field(min_length=1)], JsonValue]
"""Settings by name, as JSON values; only the class that they are for can validate them."""


class Settings:
    """The settings of a scheduler or of a searcher: a frozen dataclass with `kind` and its own fields."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT_CONFIG

    kind: str
    """Its name on the command line; the path of a class of Ray Tune."""

    title: ClassVar[str]
    """Its name in a sentence."""

    every_objective: ClassVar[bool] = False
    """Whether it uses all objectives and their bounds, and not the first one alone."""

    resumes: ClassVar[bool] = True
    """Whether a study can be resumed: what it does depends only on what the study stores."""


def kind_of(settings: object) -> str | None:
    """The kind of settings; that of a class of Ray is `ray`, whatever its path."""
    kind = settings.get("kind") if isinstance(settings, Mapping) else getattr(settings, "kind", None)
    if not isinstance(kind, str):
        return None
    return "ray" if kind.startswith("ray.") else kind


def normalize(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of a class of Ray from JSON that has them next to its path."""
    own = {name: setting for name, setting in value.items() if name not in ("kind", "settings")}
    settings = value.get("settings", {})
    if not own or not isinstance(settings, Mapping):
        return value
    return {"kind": value.get("kind"), "settings": {**settings, **own}}


def any_settings(known: Mapping[str, type], of_ray: type) -> Any:
    """The type of a field that takes any of these settings, which `kind` tells apart, for pydantic."""
    kinds: list[Any] = [Annotated[settings, Tag(kind)] for kind, settings in {**known, "ray": of_ray}.items()]
    return Annotated[reduce(or_, kinds), Discriminator(kind_of)]


def column_text(value: Any) -> str:
    """A value in a column of text: text unchanged, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def scalar(value: Any) -> bool | int | float | str:
    """A value for tools that know only numbers, booleans and text: None, lists and dicts become JSON."""
    return value if isinstance(value, int | float) else column_text(value)


def column_value(value: Any, type_: pa.DataType) -> Any:
    return column_text(value) if pa.types.is_string(type_) else value


def config_value(cell: Any, listed: Sequence[Any] | None) -> Any:
    """A parameter's value from the value of its column: the inverse of `column_value`."""
    for value in listed or ():
        stored = column_text(value) if isinstance(cell, str) else value
        if stored == cell and isinstance(stored, bool) == isinstance(cell, bool):
            return deepcopy(value)
    return cell
