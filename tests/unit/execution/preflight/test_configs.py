"""Which configs are built before a study starts."""

import numpy as np

from pipeline.execution.preflight.configs import blamed, corners
from tests.unit.execution.preflight.told import drawn


def test_every_choice_and_both_ends_are_shown_by_few() -> None:
    """Of 64 trials 8 are taken: the first, every value of a choice, the smallest and the largest rate."""
    rates = np.random.default_rng(0).permutation(64) / 64
    trials = drawn(
        *({"rate": float(rate), "kind": "rare" if i == 60 else "abc"[i % 3]} for i, rate in enumerate(rates))
    )

    chosen = [trial.config for trial in corners(trials)]

    assert len(chosen) == 8
    assert chosen[0] == trials[0].config
    assert {config["kind"] for config in chosen} == {"a", "b", "c", "rare"}
    assert {min(rates), max(rates)} <= {config["rate"] for config in chosen}


def test_a_parameter_that_is_not_always_there_is_shown_with_and_without() -> None:
    """Where a config lacks a parameter, one such config is taken too."""
    trials = drawn(*({"a": 1, "decay": 0.1} for _ in range(20)), {"a": 1})
    assert {"a": 1} in [trial.config for trial in corners(trials, most=2)]


def test_no_more_than_there_are() -> None:
    """A study of two trials has two configs to build, one without any trial none."""
    assert len(corners(drawn({"a": 1}, {"a": 1}))) == 2
    assert corners([]) == []


def test_the_choice_that_all_failures_share_is_named() -> None:
    """Both configs that failed have kind b and none that was built; the rate, drawn once each, is not to blame."""
    failed = [{"kind": "b", "size": 1, "rate": 0.1}, {"kind": "b", "size": 2, "rate": 0.2}]
    built = [{"kind": "a", "size": 1, "rate": 0.3}]
    assert blamed(failed, built) == ("kind", "b")


def test_where_two_may_be_to_blame_none_is_named() -> None:
    """One failure with two choices of its own does not say which; and where all fail, it is no choice."""
    assert blamed([{"kind": "b", "size": 2}], [{"kind": "a", "size": 1}]) is None
    assert blamed([{"kind": "b"}], []) is None
