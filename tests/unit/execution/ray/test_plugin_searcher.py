"""Searchers of Ray Tune as the source of configs; no Ray is started."""

import pytest
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from pipeline import (
    Budget,
    Choice,
    Grid,
    IntUniform,
    LogUniform,
    QUniform,
    RaySearch,
    Uniform,
)
from pipeline.engine.trial import Trial
from pipeline.execution.ray.plugin_searcher import PluginSearcher
from pipeline.space import fits
from tests.unit.execution.rising_job import rising_job

OPTUNA = "ray.tune.search.optuna.OptunaSearch"


ALL_KINDS = {
    "a": Uniform(0, 1),
    "b": LogUniform(1e-3, 1.0),
    "c": IntUniform(2, 5),
    "d": IntUniform(1, 64, log=True),
    "e": QUniform(0.1, 0.9, 0.2),
    "f": Choice(["x", 2, True]),
    "g": Grid([2, 4]),
    "h": 7,
    "i": IntUniform(8, 64, step=8),
    "j": IntUniform(8, 64, log=True, step=8),
}


def test_a_searcher_draws_from_every_kind_of_domain() -> None:
    """Configs of a Ray searcher are in the space, have native types and constants, and depend on the seed."""
    theirs = rising_job(space=ALL_KINDS, searcher=OPTUNA)
    searcher = PluginSearcher(RaySearch(OPTUNA), theirs)
    configs = [searcher.draw(index, []) for index in range(40)]
    assert all(config is not None and fits(ALL_KINDS, config) for config in configs)
    assert {(type(config["c"]), type(config["f"]), type(config["g"])) for config in configs if config} == {
        (int, kind, int) for kind in (str, int, bool)
    }
    assert {round(config["e"], 9) for config in configs if config} == {0.2, 0.4, 0.6, 0.8}
    again = PluginSearcher(RaySearch(OPTUNA), theirs)
    assert [again.draw(index, []) for index in range(40)] == configs


def test_a_searcher_that_has_no_more_ends_the_study_without_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A searcher without further configs ends the study without an error, and gets only results of ended trials."""
    reported: list[str] = []
    monkeypatch.setattr(OptunaSearch, "suggest", lambda *_: Searcher.FINISHED)
    monkeypatch.setattr(OptunaSearch, "on_trial_complete", lambda *_, **__: reported.append("a live trial"))
    searcher = PluginSearcher(RaySearch(OPTUNA), rising_job(searcher=OPTUNA))
    assert searcher.draw(1, [Trial("0000", {"a": 0.5}, 0, state="running")]) is None
    assert reported == []


def test_a_searcher_tries_each_config_of_a_small_space_once() -> None:
    """If the searcher repeats a config, it receives the known result and draws again until all are tried."""
    theirs = rising_job(
        searcher=OPTUNA, space={"a": Choice([1, 2, 3]), "b": Choice(["x", "y"])}, budget=Budget(trials=50)
    )
    searcher, trials = PluginSearcher(RaySearch(OPTUNA), theirs), []
    for index in range(6):
        config = searcher.draw(index, trials)
        assert config is not None
        value = float(index)
        trials.append(Trial(f"{index:04d}", config, 0, state="completed", best=value, best_epoch=1, best_config=config))
    assert len({(trial.config["a"], trial.config["b"]) for trial in trials}) == 6
