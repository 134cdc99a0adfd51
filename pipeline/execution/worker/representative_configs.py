"""A few of a study's configs that cover its space as well as possible: every choice, both ends of every range."""

from collections.abc import Hashable, Mapping, Sequence

from pipeline.engine.messages import Assignment
from pipeline.space import Config, Value, key_of

CANDIDATES = 64
"""How many configs are drawn so that the few that are chosen of them cover a space."""

_FEW = 8
_ABSENT = "absent"


def representative_trials(trials: Sequence[Assignment], most: int = _FEW) -> list[Assignment]:
    """A few trials whose configs cover the space as well as possible."""
    left = {index: _shown(trial.config, trials) for index, trial in enumerate(trials)}
    chosen: list[int] = []
    seen: set[Hashable] = set()
    while left and len(chosen) < most:
        index = max(left, key=lambda each: (not chosen and each == 0, len(left[each] - seen), -each))
        seen |= left.pop(index)
        chosen.append(index)
    return [trials[index] for index in chosen]


def _shown(config: Config, trials: Sequence[Assignment]) -> set[Hashable]:
    return {feature for name in _names(trials) for feature in _features(name, config, _values(name, trials))}


def _names(trials: Sequence[Assignment]) -> list[str]:
    return list({name: None for trial in trials for name in trial.config})


def _values(name: str, trials: Sequence[Assignment]) -> list[Value]:
    return list({_key(t.config, name): t.config[name] for t in trials if name in t.config}.values())


def _features(name: str, config: Mapping[str, Value], values: Sequence[Value]) -> list[Hashable]:
    if name not in config:
        return [(name, _ABSENT)]
    numbers = [value for value in values if isinstance(value, int | float)]
    few = len(values) <= _FEW or len(numbers) < len(values)
    if few or config[name] in (min(numbers), max(numbers)):
        return [(name, _key(config, name))]
    return []


def _key(config: Mapping[str, Value], name: str) -> Hashable:
    # 1, 1.0 and True are equal in Python and different hyperparameters.
    return key_of(config[name])
