"""Configs as Optuna's trials."""

import numpy as np
import optuna
import pytest

from pipeline.searchers import Observation
from pipeline.searchers.optuna_trials import as_trial, as_trials_of_losses, composed, sampled, tpe_sampler
from pipeline.space import Choice, IntUniform, LogUniform, Switch, draw, fits

_SPACE = {
    "lr": LogUniform(1e-4, 1),
    "kind": Choice(["a", [1, 2]]),
    "schedule": Switch({"constant": {}, "cyclic": {"period": IntUniform(1, 9)}}),
    "fixed": 3,
}


@pytest.mark.parametrize("seed", range(6))
def test_a_config_comes_back_from_its_trial(seed: int) -> None:
    """A config that Optuna suggests again from its trial's parameters equals the original config."""
    config = draw(_SPACE, np.random.default_rng(seed), 0)
    trial = as_trial(_SPACE, Observation(config, "known", 0.5))
    study = optuna.create_study()
    study.enqueue_trial(trial.params)
    suggested = composed(_SPACE, study.ask())
    assert {**suggested, "lr": None} == {**config, "lr": None}
    assert suggested["lr"] == pytest.approx(config["lr"])


def test_a_trial_has_its_losses_and_its_violation() -> None:
    """An Optuna trial has its config's losses and violation, and is pruned after a failure and running if open."""
    config = draw(_SPACE, np.random.default_rng(0), 0)
    both = as_trial(_SPACE, Observation(config, "known", 0.5), values=(0.5, 2.0), violation=0.1)
    assert (both.values, both.constraints) == ([0.5, 2.0], {"violation": 0.1})
    assert as_trial(_SPACE, Observation(config, "known", 0.5)).values == [0.5]
    assert as_trial(_SPACE, Observation(config, "failed")).state == optuna.trial.TrialState.PRUNED
    assert as_trial(_SPACE, Observation(config, "open")).state == optuna.trial.TrialState.RUNNING


def test_violations_count_where_one_observation_is_beyond_a_bound() -> None:
    """If an observation is beyond a bound, each known trial has its violation, and otherwise none has one."""
    config = draw(_SPACE, np.random.default_rng(0), 0)
    within, beyond = (Observation(config, "known", 0.5, losses=(0.5, 2.0), violation=most) for most in (0.0, 0.3))
    failed = Observation(config, "failed")
    assert [trial.constraints for trial in as_trials_of_losses(_SPACE, [within, failed])] == [{}, {}]
    trials = as_trials_of_losses(_SPACE, [within, beyond, failed])
    assert [trial.constraints for trial in trials] == [{"violation": 0.0}, {"violation": 0.3}, {}]
    assert [trial.values for trial in trials] == [[0.5, 2.0], [0.5, 2.0], None]


@pytest.mark.parametrize("losses", [(0.5,), (0.5, 2.0)])
def test_a_sampler_suggests_a_config_of_the_space(losses: tuple[float, ...]) -> None:
    """Optuna's suggestion after earlier trials of any number of losses is in the space and follows from the seed."""
    observations = [
        Observation(draw(_SPACE, np.random.default_rng(seed), 0), "known", losses[0], losses=losses)
        for seed in range(9)
    ]
    first, again = (
        sampled(
            _SPACE,
            lambda: tpe_sampler(7, 24),
            lambda: as_trials_of_losses(_SPACE, observations),
            losses=len(losses),
        )
        for _ in range(2)
    )
    assert fits(_SPACE, first)
    assert first == again
