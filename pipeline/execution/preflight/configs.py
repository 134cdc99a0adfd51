"""Which of a study's configs are built before it starts: few that show every choice and both ends of every range."""

from collections.abc import Hashable, Mapping, Sequence

from pipeline.course.messages import Assignment
from pipeline.space import Config, Scalar

__all__ = ["blamed", "corners"]

_FEW = 8
_ABSENT = "absent"


def corners(drawn: Sequence[Assignment], most: int = _FEW) -> list[Assignment]:
    """A few trials of which the configs show as much of the space as so few can.

    Args:
        drawn: The study's first trials.
        most: How many are chosen at most.

    Returns:
        The first trial, then each time the one that shows most that has not been seen, or else the earliest: a value of
        a parameter that takes few, the smallest or the largest of one that takes many, its absence.
    """
    left = {index: _shown(assignment.config, drawn) for index, assignment in enumerate(drawn)}
    chosen: list[int] = []
    seen: set[Hashable] = set()
    while left and len(chosen) < most:
        index = max(left, key=lambda each: (not chosen and each == 0, len(left[each] - seen), -each))
        seen |= left.pop(index)
        chosen.append(index)
    return [drawn[index] for index in chosen]


def blamed(failed: Sequence[Config], built: Sequence[Config]) -> tuple[str, Scalar] | None:
    """The choice that all configs that failed share, and none that was built; None unless there is one alone."""
    shared = set.intersection(*(_choices(config) for config in failed)) if failed and built else set()
    alone = shared.difference(*map(_choices, built))
    return alone.pop() if len(alone) == 1 else None


def _choices(config: Config) -> set[tuple[str, Scalar]]:
    # A real number is hardly ever drawn twice: that it failed alone says nothing.
    return {(name, value) for name, value in config.items() if not isinstance(value, float)}


def _shown(config: Config, drawn: Sequence[Assignment]) -> set[Hashable]:
    return {feature for name in _names(drawn) for feature in _features(name, config, _values(name, drawn))}


def _names(drawn: Sequence[Assignment]) -> list[str]:
    return list({name: None for assignment in drawn for name in assignment.config})


def _values(name: str, drawn: Sequence[Assignment]) -> list[Scalar]:
    return list({_key(a.config, name): a.config[name] for a in drawn if name in a.config}.values())


def _features(name: str, config: Mapping[str, Scalar], values: Sequence[Scalar]) -> list[Hashable]:
    if name not in config:
        return [(name, _ABSENT)]
    few = len(values) <= _FEW or any(isinstance(value, str) for value in values)
    if few or config[name] in (min(values), max(values)):
        return [(name, _key(config, name))]
    return []


def _key(config: Mapping[str, Scalar], name: str) -> Hashable:
    # As text too: 1, 1.0 and True are equal in Python and different hyperparameters.
    return repr(config[name])
