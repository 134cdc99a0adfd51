"""Configs as Optuna's trials."""

from typing import Any

import numpy as np
import optuna
import pytest

from pipeline.searchers import SEARCHERS, Observation
from pipeline.searchers.optuna_trials import as_trials, as_trials_of_losses, composed, sampled, tpe_sampler
from pipeline.space import Choice, Config, IntUniform, LogUniform, Switch, Uniform, draw, fits

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
    [trial] = as_trials(_SPACE, [Observation(config, "known", 0.5)])
    study = optuna.create_study()
    study.enqueue_trial(trial.params)
    suggested = composed(_SPACE, study.ask())
    assert {**suggested, "lr": None} == {**config, "lr": None}
    assert suggested["lr"] == pytest.approx(config["lr"])


def test_a_trial_has_its_loss_and_its_state() -> None:
    """An Optuna trial has its config's loss, and is pruned after a failure and running if open."""
    config = draw(_SPACE, np.random.default_rng(0), 0)
    observations = [Observation(config, "known", 0.5), Observation(config, "failed"), Observation(config, "open")]
    trials = as_trials(_SPACE, observations)
    assert [trial.values for trial in trials] == [[0.5], None, None]
    assert [trial.state.name for trial in trials] == ["COMPLETE", "PRUNED", "RUNNING"]
    assert [trial.state for trial in as_trials_of_losses(_SPACE, observations)] == [trial.state for trial in trials]


def test_parameters_are_those_of_the_space_that_is_given() -> None:
    """An observation is converted again for another space, and with another loss it keeps its parameters."""
    one, narrow, wide = Observation({"x": 2.0}, "known", 0.5), {"x": Uniform(0.0, 4.0)}, {"x": Uniform(0.0, 8.0)}
    seen = [as_trials(space, [one])[0].params["x"] for space in (narrow, wide, narrow)]
    assert seen == [0.5, 0.25, 0.5]
    [other] = as_trials(narrow, [one.with_fields(loss=0.1)])
    assert (other.params, other.values) == ({"x": 0.5}, [0.1])


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


def _suggested_by_a_plain_study(space: Any, sampler: Any, trials: Any, *, losses: int = 1) -> Config:
    """As `sampled`, with Optuna's own functions alone."""
    study = optuna.create_study(sampler=sampler(), directions=["minimize"] * losses)
    for trial in trials():
        fields = {"state": trial.state, "values": trial.values, "constraints": trial.constraints}
        parameters = {"params": trial.params, "distributions": trial.distributions}
        study.add_trial(optuna.trial.create_trial(**fields, **parameters))
    return composed(space, study.ask())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("searcher", ["tpe", "motpe", "nsga2"])
def test_a_draw_is_that_of_a_study_that_stores_the_trials_itself(
    monkeypatch: pytest.MonkeyPatch, searcher: str, seed: int
) -> None:
    """A draw is the suggestion in a study to which Optuna's own functions have added the same trials."""
    rng = np.random.default_rng(seed)
    tried = [
        Observation(draw(_SPACE, rng, 0), state, loss, losses=(loss, 9 - loss), violation=loss % 3)
        if state == "known"
        else Observation(draw(_SPACE, rng, 0), state)
        for state in rng.permutation(["known"] * 20 + ["failed", "open"] * 3).tolist()
        for loss in [float(rng.integers(0, 9))]
    ]

    def drawn() -> list[Config]:
        draws = (SEARCHERS[searcher]().draw(_SPACE, seed=seed, index=index, observations=tried) for index in range(4))
        return list(draws)

    ours = drawn()
    monkeypatch.setattr(f"pipeline.searchers.{searcher}.sampled", _suggested_by_a_plain_study)
    assert drawn() == ours
