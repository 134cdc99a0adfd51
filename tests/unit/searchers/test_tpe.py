"""Draws by Optuna's sampler."""

from typing import Any

import numpy as np
import optuna
import pytest

from pipeline.searchers import SEARCHERS, Observation
from pipeline.space import Choice, Config, IntUniform, ListedDomain, LogUniform, Switch, compose, draw

_DEEP = {
    "lr": LogUniform(1e-4, 1),
    "kind": Choice(["a", [1, 2]]),
    "schedule": Switch({"constant": {}, "cyclic": {"period": IntUniform(1, 9)}}),
    "fixed": 3,
}


def _suggested_by_a_plain_study(space: Any, sampler: Any, known: Any) -> Config:
    losses = max((len(trial.values) for trial in known if trial.values), default=1)
    study = optuna.create_study(sampler=sampler, directions=["minimize"] * losses)
    for trial in known:
        fields = {"state": trial.state, "values": trial.values, "constraints": trial.constraints}
        parameters = {"params": trial.params, "distributions": trial.distributions}
        study.add_trial(optuna.trial.create_trial(**fields, **parameters))
    asked = study.ask()
    return compose(
        space,
        lambda each: (
            each.domain.nth(asked.suggest_categorical(each.path, range(len(each.domain.values))))
            if isinstance(each.domain, ListedDomain)
            else each.domain.from_unit(asked.suggest_float(each.path, 0.0, 1.0))
        ),
    )


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("searcher", ["tpe", "motpe"])
def test_a_draw_is_that_of_a_study_that_stores_the_trials_itself(
    monkeypatch: pytest.MonkeyPatch, searcher: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    tried = [
        Observation(draw(_DEEP, rng, 0), state, loss, losses=(loss, 9 - loss), violation=loss % 3)
        if state == "known"
        else Observation(draw(_DEEP, rng, 0), state)
        for state in rng.permutation(["known"] * 20 + ["failed", "open"] * 3).tolist()
        for loss in [float(rng.integers(0, 9))]
    ]

    def drawn() -> list[Config]:
        draws = (SEARCHERS[searcher]().draw(_DEEP, seed=seed, index=index, observations=tried) for index in range(4))
        return list(draws)

    ours = drawn()
    monkeypatch.setattr("pipeline.searchers.tpe.sampled", _suggested_by_a_plain_study)
    assert drawn() == ours
