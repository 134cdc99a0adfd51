"""The configs that a job's trials get."""

from collections.abc import Mapping
from typing import Any

import pytest
from pipeline.simulation.synthetic_curves import SyntheticCurves

from pipeline.engine import draws, study_loop
from pipeline.engine.draws import own_draw
from pipeline.engine.trial import Trial, observation
from pipeline.searchers import SEARCHERS
from pipeline.simulation.simulator import simulate
from pipeline.space import Choice, IntUniform, Switch, Uniform
from pipeline.study import Budget, Objective
from pipeline.study.trial_configs import config_of_trial, suggestion_of_trial
from tests.unit.execution.recorded_curves import new_study, saved_state
from tests.unit.simulation.simulation_inputs import job


def _drawn(tuned, count: int, value=None) -> list[Trial]:
    draw, trials = own_draw(tuned), list[Trial]()
    for index in range(count):
        trial = Trial(f"{index:04d}", draw(index, trials, ()).config, 0, state="completed")
        if value is not None:
            trial.best, trial.best_epoch, trial.best_config = value(trial.config), 1, trial.config
        trials.append(trial)
    return trials


def test_the_draws_are_those_of_the_job() -> None:
    """The trials of a job get the start configs first and then the searcher's draws from number 0."""
    tuned = job(start_with=[{"x": 0.25}])
    configs = [trial.config for trial in _drawn(tuned, 4)]
    assert configs[0]["x"] == 0.25
    assert configs == [config_of_trial(tuned, index) for index in range(4)]


def test_each_config_of_a_small_space_is_drawn_once() -> None:
    """No config of a small space is drawn twice before all were drawn."""
    tuned = job(space={"n": IntUniform(1, 8)}, budget=Budget(trials=20))
    assert sorted(trial.config["n"] for trial in _drawn(tuned, 8)) == list(range(1, 9))


def test_the_searcher_learns_from_the_trials() -> None:
    """The searcher learns from the trials' values in the objective's mode, so that draws approach the best."""
    tuned = job(searcher="tpe", space={"n": IntUniform(1, 1000)})
    trials = _drawn(tuned, 40, value=lambda config: -abs(config["n"] - 800))
    late = [abs(trial.config["n"] - 800) for trial in trials[20:]]
    assert sorted(late)[len(late) // 2] < 150


def _climb(_trial: str, config: Mapping[str, Any], epoch: int) -> float:
    return -((config["x"] - 0.3) ** 2) + 0.001 * epoch


def test_a_best_config_of_an_earlier_space_is_not_learned_from() -> None:
    """A running trial whose best epoch was under a value that the space no longer has does not disturb later draws."""
    tuned = job(searcher="tpe", space={"x": Uniform(0, 1), "kind": Choice(["a", "b"])})
    draw, trials = own_draw(tuned), _drawn(tuned, 12, value=lambda config: config["x"])
    trials[5].state, trials[5].best_config = "running", {"x": 0.5, "kind": "no longer listed"}
    draw(12, trials, ())
    trials[5].state = "completed"
    assert draw(12, trials, {trials[5].trial_id}).config["kind"] in ("a", "b")


@pytest.mark.parametrize("scheduler", ["asha", "promoting-asha", "pbt", "hyperband"])
def test_a_searcher_learns_from_the_trials_as_they_are(monkeypatch, scheduler):
    """At each draw a searcher has the observations of all trials as they are then, whichever have changed."""
    tuned = job(scheduler=scheduler, searcher="tpe", budget=Budget(trials=30, epochs=9))
    known, seen = [], []

    def suggestion(*arguments, **options):
        known[:] = list(arguments[2])
        return suggestion_of_trial(*arguments, **options)

    def own(*arguments, **options):
        draw = own_draw(*arguments, **options)

        def compared(index, trials, changed):
            drawn = draw(index, trials, changed)
            assert known == [observation(trial, tuned.objective.mode) for trial in trials]
            seen.append(len(changed))
            return drawn

        return compared

    monkeypatch.setattr(draws, "suggestion_of_trial", suggestion)
    monkeypatch.setattr(study_loop, "own_draw", own)
    curves = SyntheticCurves(tuned, seconds_per_epoch=1.0, seconds_per_start=0.0)
    simulate(tuned, curves, 3)
    assert len(seen) == 30
    assert max(seen[1:]) < 15


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_a_searcher_draws_the_same_after_a_resume(tmp_path, searcher):
    """After a resume every searcher draws the configs that it would have drawn without the interruption."""
    space = {"x": Uniform(0, 1), "s": Switch({"a": {}, "b": {"y": Uniform(0, 1)}}), "z": Uniform(0, 1)}
    if searcher == "grid":
        space = {"x": Choice([i / 18 for i in range(18)])}
    fields = {"searcher": searcher, "space": space}
    whole = new_study(tmp_path / "whole", **fields, budget=Budget(trials=18, epochs=2))
    whole.play(_climb)
    first = new_study(tmp_path / "cut", **fields, budget=Budget(trials=13, epochs=2))
    first.play(_climb)
    second = new_study(tmp_path / "second", **fields, budget=Budget(trials=18, epochs=2))
    second.session.restore(saved_state(first.session.loop), budget_before=2)
    second.play(_climb)
    configs = lambda s: [trial.config for trial in s.session.loop.trials.values()]  # noqa: E731
    assert len(configs(second)) == 18
    assert configs(second) == configs(whole)


@pytest.mark.parametrize("mode", ["max", "min"])
def test_results_are_passed_to_the_searcher(tmp_path, mode):
    """A learning searcher receives results and approaches the best value in both modes; random search does not."""
    sign = 1 if mode == "max" else -1
    fields = {"space": {"x": Uniform(0, 1), "z": Uniform(0, 1)}, "objectives": [Objective("score", mode)]}
    distance = {}
    for searcher in ("random", "tpe"):
        s = new_study(tmp_path / searcher, **fields, searcher=searcher, budget=Budget(trials=40, epochs=1))
        s.play(lambda t, c, e: sign * _climb(t, c, e))
        distance[searcher] = sum(abs(trial.config["x"] - 0.3) for trial in list(s.session.loop.trials.values())[15:])
    assert distance["tpe"] < 0.7 * distance["random"]


def test_a_study_starts_with_the_configs_it_is_given(tmp_path):
    """Given configs become trials 0000 and 0001, count against the budget, and have their origin in the table."""
    s = new_study(tmp_path / "s", start_with=[{"x": 0.25}, {"x": 0.75}], budget=Budget(trials=3, epochs=1))
    plain = new_study(tmp_path / "plain", budget=Budget(trials=1, epochs=1))
    s.play(_climb)
    plain.play(_climb)
    configs = [trial.config["x"] for trial in s.session.loop.trials.values()]
    assert configs == [0.25, 0.75, plain.session.loop.trials["0000"].config["x"]]
    s.recorder.close("finished")
    rows = s.store.read_table("decisions").to_pylist()
    assert [r["reason"] for r in rows if r["kind"] == "start"] == [
        "A config that the study starts with.",
        "A config that the study starts with.",
        "Drawn by the searcher.",
    ]
