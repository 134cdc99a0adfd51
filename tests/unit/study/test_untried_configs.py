"""Trials with distinct configs."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from pipeline.searchers import Suggestion
from pipeline.space import Choice, IntUniform, Uniform, combination, key_of
from pipeline.study.untried_configs import draws_each_config_once, equal_configs_train_equally, untried_config
from tests.unit.simulation.simulation_inputs import job

_SPACE = {"n": IntUniform(1, 5), "kind": Choice(["a", "b"])}
_CONFIGS = [combination(_SPACE, number) for number in range(10)]
_LEFT = "One of the remaining configs: the searcher drew only configs that had been tried."


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"space": _SPACE}, True),
        ({"space": {**_SPACE, "x": Uniform(0, 1)}}, False),
        ({"space": {"n": 3}}, False),
        ({"space": _SPACE, "trial_seeds": True}, False),
        ({"space": _SPACE, "scheduler": "pbt"}, False),
    ],
)
def test_a_config_is_tried_once_where_equal_configs_train_equally(fields: dict[str, Any], expected: bool) -> None:
    """Configs are tried once if equal ones train equally, but not with real numbers or in a population."""
    assert draws_each_config_once(job(**fields)) == expected
    assert equal_configs_train_equally(job(**fields)) == (not {"trial_seeds", "scheduler"} & fields.keys())


def _another(tried: list[int], first: int, draws: list[int], seed: int = 0) -> Suggestion:
    """The suggestion if the searcher draws those configs in turn, and then the last one again."""
    numbers = iter(draws)
    return untried_config(
        _SPACE,
        Suggestion(_CONFIGS[first], "first"),
        {key_of(_CONFIGS[number]) for number in tried},
        lambda _: Suggestion(_CONFIGS[next(numbers, draws[-1])], "again"),
        seed=seed,
        number=3,
    )


def test_a_config_that_was_not_tried_is_taken_as_it_was_drawn() -> None:
    """The first drawn config that was not tried is suggested with the reason of its own draw."""
    assert _another([1, 2], 0, [5]) == Suggestion(_CONFIGS[0], "first")
    assert _another([0, 1, 2], 0, [1, 2, 7, 8]) == Suggestion(_CONFIGS[7], "again")


@given(left=st.integers(0, 9), seed=st.integers(0, 2**31 - 1))
def test_the_last_config_is_found_by_any_searcher(left: int, seed: int) -> None:
    """A searcher that draws only known configs does not end the study while an untried config is left."""
    tried = [number for number in range(10) if number != left]
    assert _another(tried, tried[0], [tried[1]], seed) == Suggestion(_CONFIGS[left], _LEFT)


def test_further_draws_have_seeds_of_their_own() -> None:
    """Further draws have distinct seeds, which follow from the study's seed and the number of the draw."""

    def seeds(seed: int) -> list[int]:
        found: list[int] = []

        def drawn(at: int) -> Suggestion:
            found.append(at)
            return Suggestion(_CONFIGS[0])

        untried_config(_SPACE, Suggestion(_CONFIGS[0]), {key_of(_CONFIGS[0])}, drawn, seed=seed, number=3)
        return found

    assert seeds(1) == seeds(1)
    assert len(set(seeds(1))) == 8
    assert set(seeds(1)).isdisjoint(seeds(2))


def test_a_config_is_repeated_only_after_all_were_tried() -> None:
    """A config is repeated, by the searcher's draw, only after all were tried."""
    assert _another(list(range(10)), 4, [4]).config == _CONFIGS[4]


def test_a_space_of_more_configs_than_the_largest_float_has_one_that_is_left() -> None:
    """In a space of forty whole numbers, a config that was not tried replaces one that the searcher repeats."""
    space = {f"n{number}": IntUniform(0, 2**62) for number in range(40)}
    first = Suggestion(combination(space, 0), "first")
    found = untried_config(space, first, {key_of(first.config)}, lambda _: first, seed=0, number=0)
    assert found.config != first.config
    assert found.reason == _LEFT
