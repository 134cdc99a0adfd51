"""Configs as Optuna's trials."""

import numpy as np
import optuna
import pytest

from pipeline.searchers import Observation
from pipeline.searchers.optuna_trials import as_trial, composed
from pipeline.space import Choice, IntUniform, LogUniform, Switch, draw

_SPACE = {
    "lr": LogUniform(1e-4, 1),
    "kind": Choice(["a", [1, 2]]),
    "schedule": Switch({"constant": {}, "cyclic": {"period": IntUniform(1, 9)}}),
    "fixed": 3,
}


@pytest.mark.parametrize("seed", range(6))
def test_a_config_comes_back_from_its_trial(seed: int) -> None:
    """A config that Optuna is asked to try again, by the parameters of its trial, is the config itself."""
    config = draw(_SPACE, np.random.default_rng(seed), 0)
    trial = as_trial(_SPACE, Observation(config, "known", 0.5))
    study = optuna.create_study()
    study.enqueue_trial(trial.params)
    found = composed(_SPACE, study.ask())
    assert {**found, "lr": None} == {**config, "lr": None}
    assert found["lr"] == pytest.approx(config["lr"])


def test_a_trial_has_its_losses_and_its_violation() -> None:
    """A known config has its losses, or its one loss; a violation makes it infeasible; a failure is pruned."""
    config = draw(_SPACE, np.random.default_rng(0), 0)
    both = as_trial(_SPACE, Observation(config, "known", 0.5), values=(0.5, 2.0), violation=0.1)
    assert (both.values, both.constraints) == ([0.5, 2.0], {"violation": 0.1})
    assert as_trial(_SPACE, Observation(config, "known", 0.5)).values == [0.5]
    assert as_trial(_SPACE, Observation(config, "failed")).state == optuna.trial.TrialState.PRUNED
    assert as_trial(_SPACE, Observation(config, "open")).state == optuna.trial.TrialState.RUNNING
