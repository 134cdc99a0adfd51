"""Syne Tune's BOHB: its asynchronous successive halving that stops trials, and its kernel density estimators."""

from datetime import datetime
from typing import Any

import numpy as np

from pipeline.space import Choice, Config, Grid, IntUniform, LogUniform, Switch, compose, walk
from tests.benchmarks.answers.peer import Verdict
from tests.benchmarks.answers.studies import EPOCHS
from tests.benchmarks.answers.tables import Table


class SyneTuneBOHB:
    """BOHB, as its documentation writes it. It knows no conditions, so that it draws what a config leaves out, too."""

    def __init__(self, table: Table, seed: int, workers: int) -> None:
        from syne_tune import config_space as spaces
        from syne_tune.optimizer.baselines import BOHB

        self._space, self._trials = table.study.space, list[Any]()
        # It also draws from the generator of the process.
        np.random.seed(seed)
        drawn = {
            parameter.path: _domain(spaces, parameter.domain) for parameter in walk(self._space) if parameter.drawn
        }
        self._scheduler = BOHB(drawn, metric="loss", time_attr="epoch", max_t=EPOCHS, random_seed=seed)

    def next(self) -> tuple[int, Config]:
        """A new trial: nothing is paused."""
        from syne_tune.backend.trial_status import Trial

        suggestion = self._scheduler.suggest()
        trial = Trial(len(self._trials), suggestion.config, datetime.min)
        self._trials.append(trial)
        self._scheduler.on_trial_add(trial)
        return trial.trial_id, compose(
            self._space, lambda parameter: _value(parameter.domain, suggestion.config[parameter.path])
        )

    def reported(self, number: int, epoch: int, loss: float) -> Verdict:
        """Stops a trial when the scheduler does."""
        trial, result = self._trials[number], {"loss": loss, "epoch": epoch}
        if epoch == EPOCHS:
            self._scheduler.on_trial_complete(trial, result)
            return "stop"
        return "continue" if self._scheduler.on_trial_result(trial, result) == "CONTINUE" else "stop"


def _domain(spaces: Any, domain: Any) -> Any:
    match domain:
        case Choice() | Grid() | Switch():
            return spaces.choice([str(number) for number in range(len(domain.values))])
        case IntUniform():
            return (spaces.lograndint if domain.log else spaces.randint)(domain.low, domain.high)
        case LogUniform():
            return spaces.loguniform(domain.low, domain.high)
        case _:
            return spaces.uniform(domain.low, domain.high)


def _value(domain: Any, value: Any) -> Any:
    return domain.values[int(value)] if isinstance(domain, Choice | Grid | Switch) else value
