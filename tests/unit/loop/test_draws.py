"""The configs that a job's trials get."""

from pipeline.loop.draws import own_draw
from pipeline.loop.trial import Trial
from pipeline.space import IntUniform
from pipeline.study import Budget
from pipeline.study.trial_configs import config_of_trial
from tests.unit.simulation.simulation_inputs import job


def _drawn(tuned, count: int, value=None) -> list[Trial]:
    draw, trials = own_draw(tuned), list[Trial]()
    for index in range(count):
        trial = Trial(f"{index:04d}", draw(index, trials).config, 0, state="completed")
        if value is not None:
            trial.best, trial.best_epoch, trial.best_config = value(trial.config), 1, trial.config
        trials.append(trial)
    return trials


def test_the_draws_are_those_of_the_job() -> None:
    """Start configs first, then the searcher's draws from its number 0."""
    tuned = job(start_with=[{"x": 0.25}])
    configs = [trial.config for trial in _drawn(tuned, 4)]
    assert configs[0]["x"] == 0.25
    assert configs == [config_of_trial(tuned, index) for index in range(4)]


def test_each_config_of_a_small_space_is_drawn_once() -> None:
    """The draw remembers the configs of the trials that it has seen."""
    tuned = job(space={"n": IntUniform(1, 8)}, budget=Budget(trials=20))
    assert sorted(trial.config["n"] for trial in _drawn(tuned, 8)) == list(range(1, 9))


def test_the_searcher_learns_from_the_trials() -> None:
    """The searcher learns from the trials' values in the objective's mode, so that draws approach the best."""
    tuned = job(searcher="tpe", space={"n": IntUniform(1, 1000)})
    trials = _drawn(tuned, 40, value=lambda config: -abs(config["n"] - 800))
    late = [abs(trial.config["n"] - 800) for trial in trials[20:]]
    assert sorted(late)[len(late) // 2] < 150
