import pytest

from pipeline.results.numbers import format_number, format_value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.966615776, "0.9666"),
        (0.1, "0.1"),
        (0.0, "0"),
        (1234.567, "1235"),
        (0.00012345, "0.0001234"),
        (0.000012345, "1.234e-05"),
        (-2.5e7, "-2.500e+07"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_have_four_digits(value: float, text: str) -> None:
    """Four significant digits, with an exponent only where the number is far from one."""
    assert format_number(value) == text


@pytest.mark.parametrize(("value", "text"), [(128, "128"), (123456, "123456"), (True, "True"), ("relu", "relu")])
def test_other_values_are_shown_as_they_are(value: object, text: str) -> None:
    """Whole numbers, truth values and text are not rounded."""
    assert format_value(value) == text
