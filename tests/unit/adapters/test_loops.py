"""What the source of a program says."""

import math
from typing import Any

from pipeline.adapters.loops import keywords_of, line_of_text, mentions, returned_after

EPOCHS = 7


def constant(tune: Any) -> None:
    """A constant of the module."""
    for _ in range(2, EPOCHS + 1):
        tune.report({})


def test_a_text_has_a_line_and_a_keyword_a_value() -> None:
    """A text is found with its line and a keyword with its value, but a keyword with several values has none."""
    source = 'a = 1\nspace = {"x": 1}\nbest(metric="loss", mode="min")\nother(mode="max")\n'
    assert line_of_text(source, "x") == 2
    assert line_of_text(source, "y") == line_of_text("(", "y") == 1
    assert (keywords_of(source, "metric"), keywords_of(source, "mode"), keywords_of("(", "x")) == ("loss", None, None)
    assert keywords_of(source, "mode", together_with="metric") == "min"


def test_the_line_of_a_key_counts_more_than_that_of_its_use() -> None:
    """The line of a text is that of the dict that has it as a key, and not of code above that reads the key."""
    assert line_of_text('def train(config):\n    return config["x"]\n\nspace = {"x": 1}\n', "x") == 4


def test_a_module_mentions_what_its_text_has() -> None:
    """A function's whole module is searched for a pattern, and a module without source text matches any pattern."""
    assert mentions(constant, r"EPOCHS = \d")
    assert not mentions(constant, "a word that no text " + "has")
    assert mentions(math.sqrt, "anything")


def test_a_value_that_is_returned_after_reports_has_a_line() -> None:
    """The first line that returns a value is found in a function that reports, and not in functions within it."""

    def returning(tune: Any) -> Any:
        def inner() -> int:
            return 1

        tune.report({"x": inner()})
        return {"x": 2}

    assert returned_after(returning, "report") == returning.__code__.co_firstlineno + 5
    assert returned_after(returning, "other") is None
    assert returned_after(constant, "report") is None
    assert returned_after(print, "report") is None
