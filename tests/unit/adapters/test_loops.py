"""What the text of a function says of its reports."""

import math
from typing import Any

import pytest

from pipeline.adapters.loops import YIELDS, keywords_of, line_of_text, mentions, reports_of, returned_after

EPOCHS = 7


def constant(tune: Any) -> None:
    """A constant of the module."""
    for _ in range(2, EPOCHS + 1):
        tune.report({})


def of_config(config: Any, report: Any) -> None:
    """A parameter."""
    start = 0
    for _ in range(0, config["epochs"]):
        report(start)


def unknown(tune: Any) -> None:
    """A length that only shows when it runs."""
    for _ in range(len(tune.anything())):
        tune.report({})


def without(tune: Any) -> None:
    """No loop."""
    tune.report({})


def of_a_local(tune: Any, config: Any) -> None:
    """A local name, with a start that a checkpoint may change."""
    start, last = 0, None
    first = 1
    if tune.get_checkpoint():
        first = tune.anything()
    epochs = config["epochs"]
    for _ in range(first, epochs + 1):
        tune.report(start, last)


def nested(tune: Any) -> None:
    """A loop within a loop."""
    for _ in range(3):
        for _ in range(EPOCHS):
            tune.report({})


def by_a_helper(tune: Any) -> None:
    """A helper that is called in a loop."""
    for _ in range(2):
        constant(tune)


def by_callbacks(callbacks: Any) -> None:
    """Each of the callbacks, once in an epoch."""
    for _ in range(3):
        for callback in callbacks:
            callback.report()


def in_batches(tune: Any, batches: Any) -> None:
    """A loop of unknown length within a loop."""
    for _ in range(3):
        for _ in batches:
            tune.report({})


def in_a_callback(tune: Any) -> Any:
    """A function within the function."""
    for _ in range(3):

        def end_of_epoch() -> None:
            tune.report({})

    return end_of_epoch


def with_a_bar(tune: Any, tqdm: Any) -> None:
    """A loop that shows its progress."""
    for _, _ in enumerate(tqdm.tqdm(range(EPOCHS), desc="epochs")):
        tune.report({})


def with_a_short_bar(tune: Any, trange: Any) -> None:
    """A loop that shows its progress, in the short form."""
    for _ in trange(1, EPOCHS, desc="epochs"):
        tune.report({})


def with_a_default(config: Any, report: Any) -> None:
    """A parameter with a default."""
    for _ in range(config.get("epochs", 9)):
        report()


def without_a_parameter(config: Any, report: Any) -> None:
    """A default, and a parameter that may be there."""
    for _ in range(config.get("others", 9)):
        report()


in_a_lambda = lambda tune: of_config({}, tune.report)  # noqa: E731
two_lambdas = (lambda tune: constant(tune)), (lambda tune: without(tune))


@pytest.mark.parametrize(
    ("function", "count"),
    [
        (constant, 6),
        (of_config, 4),
        (of_a_local, 4),
        (nested, 21),
        (by_a_helper, 12),
        (by_callbacks, 3),
        (in_batches, None),
        (in_a_callback, None),
        (in_a_lambda, 4),
        (with_a_bar, 7),
        (with_a_short_bar, 6),
        (with_a_default, 4),
        (without_a_parameter, None),
        (two_lambdas[0], None),
        (unknown, None),
        (without, None),
        (print, None),
    ],
)
def test_the_length_of_the_loop_around_a_report(function: Any, count: int | None) -> None:
    """The length of the loop around a report follows from constants and known parameters, or is None."""
    values = dict.fromkeys(('config["epochs"]', 'config.get("epochs")'), 4)
    assert reports_of(function, "report", values) == count


def test_the_length_of_the_loop_around_a_yield() -> None:
    """A function that yields what it reports has as many reports as the loop around the yield."""

    def yielding(config: Any) -> Any:
        for number in range(config["epochs"]):
            yield {"number": number}

    assert reports_of(yielding, YIELDS, {'config["epochs"]': 5}) == 5
    assert reports_of(yielding, "report", {}) is None


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
