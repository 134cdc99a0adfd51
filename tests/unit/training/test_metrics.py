"""Values of metrics."""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from pipeline.training.metrics import NotNumeric, as_number, shown


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3.0),
        (True, 1.0),
        (np.bool_(False), 0.0),
        (np.float16(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.int8(-3), -3.0),
        (Decimal("0.25"), 0.25),
        (Decimal("sNaN"), math.nan),
        (Fraction(1, 4), 0.25),
        (10**400, math.inf),
        (-(10**5000), -math.inf),
        (Fraction(10**400), math.inf),
        (np.array(0.5), 0.5),
        (np.array([[0.5]]), 0.5),
        (np.array([10**400], dtype=object), math.inf),
        (np.ma.masked, math.nan),
        (math.nan, math.nan),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_real_number_is_a_metric(value: Any, number: float) -> None:
    """A real number of Python, NumPy or a one-element array is a metric, and one too large is infinite."""
    found = as_number(value)
    assert type(found) is float
    assert found == number or (math.isnan(number) and math.isnan(found))


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, "None"),
        ("0.5", "text"),
        (b"0.5", "text"),
        (1j, "a complex number"),
        (np.complex64(1), "a complex number"),
        (np.zeros((2, 3)), "an array of shape (2, 3)"),
        (np.array(["a"]), "text"),
        ([0.5], "an object of type list"),
    ],
)
def test_a_metric_that_is_no_number_is_described(value: Any, what: str) -> None:
    """A metric that is not a number is described by its type."""
    with pytest.raises(NotNumeric) as refused:
        as_number(value)
    assert str(refused.value) == what


def test_a_tensor_of_any_library_counts_by_its_element() -> None:
    """A tensor of any library with one element counts by its value."""

    class Tensor:
        shape = (1,)

        def numpy(self) -> np.ndarray:
            return np.array([0.5], np.float32)

    assert as_number(Tensor()) == 0.5


def test_a_value_is_shown_on_one_short_line() -> None:
    """A value is shown in one short line, and an object that cannot be shown by its type."""

    class Strange:
        def __repr__(self) -> str:
            raise RuntimeError

    assert shown("a\n b") == "'a\\n b'"
    assert shown(np.zeros((2, 2))) == "array([[0., 0.], [0., 0.]])"
    assert len(shown("x" * 1000)) == 80
    assert shown(Strange()) == "an object of type Strange"
