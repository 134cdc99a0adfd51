"""Which configs are built before a study starts."""

import numpy as np
from tests.unit.execution.preflight.facts import drawn

from pipeline.execution.worker.representative_configs import representative_trials


def test_every_choice_and_both_ends_are_represented() -> None:
    """The representative configs of 64 trials include the first, every choice, and the smallest and largest rate."""
    rates = np.random.default_rng(0).permutation(64) / 64
    trials = drawn(
        *({"rate": float(rate), "kind": "rare" if i == 60 else "abc"[i % 3]} for i, rate in enumerate(rates))
    )

    chosen = [trial.config for trial in representative_trials(trials)]

    assert len(chosen) == 8
    assert chosen[0] == trials[0].config
    assert {config["kind"] for config in chosen} == {"a", "b", "c", "rare"}
    assert {min(rates), max(rates)} <= {config["rate"] for config in chosen}


def test_an_optional_parameter_is_represented_with_and_without() -> None:
    """A parameter that some configs lack is represented by a config with it and one without."""
    trials = drawn(*({"a": 1, "decay": 0.1} for _ in range(20)), {"a": 1})
    assert {"a": 1} in [trial.config for trial in representative_trials(trials, most=2)]


def test_no_more_than_there_are() -> None:
    """A study of two trials has two representative configs, and a study without trials has none."""
    assert len(representative_trials(drawn({"a": 1}, {"a": 1}))) == 2
    assert representative_trials([]) == []
