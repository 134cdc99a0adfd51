"""A hyperparameter in words."""

import pandas as pd
import pytest

from pipeline.results.analysis.domains import domain_in_words, format_value, some_values, span_in_words
from pipeline.space import Choice, Domain, IntUniform, LogUniform, QUniform


@pytest.mark.parametrize(("value", "text"), [(128, "128"), (123456, "123456"), (True, "True"), ("relu", "relu")])
def test_other_values_are_shown_as_they_are(value: object, text: str) -> None:
    """Integers, booleans and texts are shown without rounding."""
    assert format_value(value) == text


def test_the_best_quarter_of_listed_values_is_listed() -> None:
    """The best quarter of a parameter with listed values is a list of values, not a range."""
    assert span_in_words(Choice((32, 64, 128)), pd.Series([128, 32, float("nan"), 128])) == "32, 128"
    assert span_in_words(LogUniform(0.1, 1.0), pd.Series([0.5, 0.25])) == "0.25 to 0.5"
    assert span_in_words(LogUniform(0.1, 1.0), pd.Series([float("nan")])) == "–"


def test_of_many_values_some_are_shown_with_the_number_of_the_others() -> None:
    """A list of more than twelve values shows five of them and the number of the others, and cuts long texts."""
    many = Choice([*range(1200)])
    assert domain_in_words(many) == "one of 0, 1, 2, 3, 4, … (1,195 others)"
    assert domain_in_words(Choice([*range(12)])).endswith(" 10, 11")
    assert span_in_words(many, pd.Series(range(100, 120))) == "100, 101, 102, 103, 104, … (15 others)"
    assert some_values(["a", "b" * 100], " or ") == f"a or {'b' * 59}…"


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        (IntUniform(16, 128), "whole numbers from 16 to 128"),
        (IntUniform(16, 128, step=16), "whole numbers from 16 to 128 in steps of 16"),
        (IntUniform(1, 9, log=True, step=2), "whole numbers from 1 to 9 in steps of 2, uniform in the logarithm"),
        (QUniform(0, 1, 0.25), "0 to 1 in steps of 0.25"),
        (LogUniform(1e-3, 1), "0.001 to 1, uniform in the logarithm"),
        (Choice(["a", 2]), "one of a, 2"),
    ],
)
def test_a_domain_in_words(domain: Domain, words: str) -> None:
    """A domain is described by its bounds, its steps, and how it is drawn."""
    assert domain_in_words(domain) == words
