"""The configs that a job's trials get."""

import pytest

from pipeline.engine import draws
from pipeline.engine.draws import own_draw
from pipeline.engine.trial import BestEpoch, Trial, observation
from pipeline.space import Choice, Uniform
from pipeline.study import Budget
from pipeline.study.trial_configs import suggestion_of_trial
from tests.unit.engine.play import Play, job


def _drawn(tuned, count: int, value=None) -> list[Trial]:
    draw, trials = own_draw(tuned), list[Trial]()
    for index in range(count):
        trial = Trial(f"{index:04d}", draw(index, trials, ()).config, state="completed")
        if value is not None:
            trial.best = BestEpoch(value(trial.config), 1, config=trial.config)
        trials.append(trial)
    return trials


def test_a_best_config_of_an_earlier_space_is_not_learned_from():
    tuned = job(searcher="tpe", space={"x": Uniform(0, 1), "kind": Choice(["a", "b"])})
    draw, trials = own_draw(tuned), _drawn(tuned, 12, value=lambda config: config["x"])
    trials[5].state = "running"
    trials[5].best = BestEpoch(0.5, 1, config={"x": 0.5, "kind": "no longer listed"})
    draw(12, trials, ())
    trials[5].state = "completed"
    assert draw(12, trials, {trials[5].trial_id}).config["kind"] in ("a", "b")


@pytest.mark.parametrize("scheduler", ["asha", "promoting-asha", "pbt", "hyperband"])
def test_a_searcher_learns_from_all_trials_as_they_are_although_few_have_changed(monkeypatch, scheduler):
    tuned = job(scheduler=scheduler, searcher="tpe", budget=Budget(trials=30, epochs=9))
    known, changes = [], []

    def suggestion(*arguments, **options):
        known[:] = list(arguments[2])
        return suggestion_of_trial(*arguments, **options)

    monkeypatch.setattr(draws, "suggestion_of_trial", suggestion)
    own = own_draw(tuned)

    def compared(index, trials, changed):
        changes.append(len(changed))
        drawn = own(index, trials, changed)
        assert known == [observation(trial, "max") for trial in trials]
        return drawn

    play = Play(tuned, draw=compared)
    running = [play.next() for _ in range(3)]
    while running:
        trial = running.pop(0)
        epoch = tuned.scheduler.next_milestone(trial.epoch, 9)
        values = [trial.config["x"] * at for at in range(trial.epoch + 1, epoch + 1)]
        if play.report(trial, *values, last=epoch == 9) == "continue":
            running.append(trial)
        elif (taken := play.engine.next()) is not None:
            running.append(taken)
    assert len(changes) == 30
    assert max(changes[1:]) < 15
