"""A hyperparameter's domain, and the range of its values, in words."""

from typing import TYPE_CHECKING, Any

from pipeline.results.tables.configs import given
from pipeline.sanitize import sanitize_line
from pipeline.space import Choice, Domain, Grid, IntUniform, ListedDomain, LogUniform, Normal, QUniform, Switch, Uniform
from pipeline.space.column_values import column_text
from pipeline.wording import format_number

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["domain_in_words", "format_value", "span_in_words"]


def format_value(value: Any) -> str:
    """A parameter's value: a number, a text or a boolean as Python writes it, anything else as JSON.

    Args:
        value: A value as drawn.
    """
    if isinstance(value, float):
        return format_number(value)
    return sanitize_line(str(value) if isinstance(value, bool | int) else column_text(value))


def domain_in_words(domain: Domain | Any) -> str:
    """What a parameter may be.

    Args:
        domain: A domain, or the value of a fixed parameter.
    """
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
            return "one of " + ", ".join(format_value(value) for value in values)
        case Switch():
            return "one of " + ", ".join(domain.values) + ", each with its own hyperparameters"
        case Grid(values=values):
            return "each of " + ", ".join(format_value(value) for value in values)
    return f"fixed at {format_value(domain)}"


def span_in_words(domain: Domain | Any, values: "pd.Series") -> str:
    """Where some trials' values of a parameter lie: from the smallest to the largest, or each that there is.

    Args:
        domain: The parameter's domain.
        values: Its values; NaN where a trial has none.
    """
    known = values[given(values)]
    if known.empty:
        return "–"
    if isinstance(domain, ListedDomain):
        there = {format_value(value) for value in known}
        return ", ".join(value for value in map(format_value, domain.values) if value in there)
    return " to ".join(dict.fromkeys(format_value(float(end)) for end in (known.min(), known.max())))
