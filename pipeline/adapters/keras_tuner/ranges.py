"""The ranges of KerasTuner's `Int` and `Float`: in steps, or in ratios where they are sampled logarithmically."""

from typing import Any

from pipeline.adapters.domains import choice, floats, integers

__all__ = ["number_domain"]


def number_domain(
    kind: type[int] | type[float], low: float, high: float, step: float | None, sampling: str | None
) -> Any:
    """The domain of `Int` or `Float`.

    Args:
        kind: `int` for whole numbers, `float` for real ones.
        low: The smallest value.
        high: The largest value.
        step: The difference between neighbouring values; with sampling `log` their ratio.
        sampling: `linear`, which None is too, or `log`.

    Returns:
        An `IntUniform`, `Uniform`, `LogUniform` or `QUniform`; a `Choice` where the steps are a ratio; `low` itself
        where the range has only one value.

    Raises:
        ValueError: There is no such sampling, or there are too many steps; says what is allowed.
    """
    log = _is_log(sampling)
    if log and step is not None and high > low:
        return choice([kind(value) for value in _geometric(low, high, step)])
    if kind is int:
        return integers(int(low), int(high), int(step or 1), log=log)
    return floats(low, high, step, log=log)


def _is_log(sampling: str | None) -> bool:
    if sampling not in (None, "linear", "log"):
        raise ValueError(f"must be sampled linearly or logarithmically, not by {sampling!r}")
    return sampling == "log"


def _geometric(low: float, high: float, factor: float) -> list[float]:
    values = []
    value = low
    while value <= high * (1 + 1e-12):
        values.append(value)
        value *= factor
        if factor <= 1:
            break
    return values
