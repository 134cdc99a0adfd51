"""The length of a range in a source."""

import ast
from typing import Any

import pytest

from pipeline.adapters.range_length import called_name, constant_value, expression_text, length_of_range


def expression(text: str) -> Any:
    """The tree of an expression."""
    return ast.parse(text, mode="eval").body


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("range(2, EPOCHS)", 5),
        ("range(n)", 3),
        ("tqdm(reversed(range(config.get('epochs', 9))))", 4),
        ("range(state or 0, last)", 6),
        ("range(1 if n is None else n, 4)", 3),
        ("range(0 if config['epochs'] else 1, 4)", None),
        ("range(open('file'))", None),
        ("rows", None),
    ],
)
def test_the_length_of_a_range_follows_from_constants_and_known_values(text: str, length: int | None) -> None:
    """The length follows from constants, globals, the names of the function and known values, or is None."""
    known = {'config.get("epochs")': 4, 'config["epochs"]': 4, "n": 3}
    locals_ = {"last": expression("2 * n")}
    assert length_of_range(expression(text), {"EPOCHS": 7}, known, locals_, locals_) == length


def test_an_expression_has_a_text_a_name_and_a_value() -> None:
    """A default is no part of a text, a call has the last part of its name, and only arithmetic has a value."""
    assert expression_text(expression("config.get('a', 3)")) == 'config.get("a")'
    assert [called_name(expression(text)) for text in ("a.b.c()", "d()", "e()()")] == ["c", "d", ""]
    assert constant_value(expression("-(2 + n) // 2"), {"n": 3}) == -3
    with pytest.raises(LookupError):
        constant_value(expression("eval('1')"), {})
