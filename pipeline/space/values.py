"""What a hyperparameter's value may be, and how one that a person wrote is read."""

import math
from typing import Annotated, Any, TypeAlias

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator

__all__ = ["INT64", "LARGEST", "SETTINGS", "Config", "Count", "ReadScalar", "Real", "Scalar", "Whole", "plain"]

Scalar: TypeAlias = bool | int | float | str
"""What a hyperparameter's value may be."""

Config: TypeAlias = dict[str, Scalar]
"""Drawn values by parameter name."""

INT64 = 2**63
"""Whole numbers lie below this in size: they have to fit in a column of the tables."""

LARGEST = 1e300
"""Bounds beyond are refused: no sum or product of what is drawn then overflows."""

SETTINGS = ConfigDict(extra="forbid", allow_inf_nan=False, revalidate_instances="always")
"""How pydantic reads a dataclass that a person fills in. Building one never raises: what is wrong with it is told by
the job it becomes part of, together with all else that is wrong there."""


def plain(value: object) -> object:
    """A NumPy scalar as the Python value it stands for; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def _scalar(value: Any) -> Scalar:
    value = plain(value)
    if type(value) not in (bool, int, float, str):
        raise ValueError("must be a number, a text, true or false")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be finite")
    if isinstance(value, int) and not -INT64 <= value < INT64:
        raise ValueError("must fit in 64 bits")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("must be text that can be written as UTF-8") from None
    return value  # type: ignore[no-any-return]


ReadScalar: TypeAlias = Annotated[Scalar, PlainValidator(_scalar)]
"""A Scalar as pydantic should read it: 1, 1.0, True and "1" stay what they are."""

Real: TypeAlias = Annotated[float, BeforeValidator(plain), Field(strict=True)]
"""A number as pydantic should read it: no text, no true or false."""

Whole: TypeAlias = Annotated[int, BeforeValidator(plain), Field(strict=True)]
"""A whole number as pydantic should read it: no text, no fraction, no true or false."""

Count: TypeAlias = Annotated[Whole, Field(ge=1, lt=2**31)]
"""How many of something, where there has to be one."""
