"""A hyperparameter's domain, and the range of its values, in words."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.results.tables.configs import given
from pipeline.sanitize import sanitize_line
from pipeline.space import (
    Choice,
    Domain,
    Grid,
    IntUniform,
    ListedDomain,
    LogUniform,
    Normal,
    QUniform,
    Switch,
    Uniform,
    column_text,
)
from pipeline.wording import format_number

if TYPE_CHECKING:
    import pandas as pd


_MAX_VALUES = 12
"""The longest list of values that is shown whole; a longer one is shown by some values and their number."""

_MAX_CHARACTERS = 60
"""The longest text of a value in a list."""


def format_value(value: Any) -> str:
    """A parameter's value: a number, a text or a boolean as Python writes it, anything else as JSON."""
    if isinstance(value, float):
        return format_number(value)
    return sanitize_line(str(value) if isinstance(value, bool | int) else column_text(value))


def some_values(values: Sequence[str], separator: str = ", ") -> str:
    """The text of values in a row; of more than 12 the first five, and how many others there are. Long ones are cut."""
    shown = values if len(values) <= _MAX_VALUES else values[:5]
    texts = [text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…" for text in shown]
    left = len(values) - len(shown)
    return separator.join(texts) + (f"{separator}… ({left:,} others)" if left else "")


def domain_in_words(domain: Domain | Any) -> str:
    """What a parameter may be."""
    match domain:
        case LogUniform(low=low, high=high):
            return f"{low:g} to {high:g}, uniform in the logarithm"
        case IntUniform(low=low, high=high, log=log, step=step):
            steps = f" in steps of {step}" if step > 1 else ""
            return f"whole numbers from {low} to {high}{steps}" + (", uniform in the logarithm" if log else "")
        case QUniform(low=low, high=high, q=q):
            return f"{low:g} to {high:g} in steps of {q:g}"
        case Uniform(low=low, high=high):
            return f"{low:g} to {high:g}, uniform"
        case Normal(mean=mean, std=std):
            return f"normal with mean {mean:g} and standard deviation {std:g}"
        case Choice(values=values):
            return "one of " + some_values([format_value(value) for value in values])
        case Switch():
            return "one of " + some_values(domain.values) + ", each with its own hyperparameters"
        case Grid(values=values):
            return "each of " + some_values([format_value(value) for value in values])
    return f"fixed at {format_value(domain)}"


def span_in_words(domain: Domain | Any, values: "pd.Series") -> str:
    """Where some trials' values of a parameter lie: from the smallest to the largest, or each that there is."""
    known = values[given(values)]
    if known.empty:
        return "–"
    if isinstance(domain, ListedDomain):
        there = {format_value(value) for value in known}
        return some_values([value for value in map(format_value, domain.values) if value in there])
    return " to ".join(dict.fromkeys(format_value(float(end)) for end in (known.min(), known.max())))
