"""Studies of Optuna, simulated over the same tables, an epoch of compute at a time."""

import heapq
import logging
from typing import Any

import numpy as np

from pipeline.space import Choice, Grid, IntUniform, LogUniform, ParameterPath, Switch, Value, compose
from tests.benchmarks.answers.studies import EPOCHS
from tests.benchmarks.answers.tables import Table


class OptunaHyperband:
    """TPE with Hyperband, as Optuna's documentation writes it."""

    def __init__(self, table: Table, seed: int, workers: int) -> None:
        import optuna

        logging.getLogger("optuna").setLevel(logging.WARNING)
        self._table, self._workers = table, workers
        self._trials = dict[int, Any]()
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=workers > 1)
        pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=EPOCHS, reduction_factor=3)
        # Hyperband assigns trials to brackets by the study's name, which would be another one in each run.
        self._study = optuna.create_study(study_name=f"answers-{seed}", sampler=sampler, pruner=pruner)

    def regrets(self, epochs: int) -> np.ndarray:
        """The regret after each epoch of compute, from 1 to `epochs`."""
        found, best = np.full(epochs, np.nan), np.inf
        running: list[tuple[int, int]] = []
        done = dict[int, int]()
        curves = dict[int, np.ndarray]()
        for spent in range(epochs):
            if len(running) < self._workers:
                trial = self._study.ask()
                self._trials[trial.number] = trial
                config = compose(self._table.study.space, lambda place, trial=trial: _suggested(trial, place))
                curves[trial.number] = np.array(self._table.curve(trial.number, 1, config).values)
                heapq.heappush(running, (spent, trial.number))
            _, number = heapq.heappop(running)
            epoch = done[number] = done.get(number, 0) + 1
            loss = float(curves[number][epoch - 1])
            best = min(best, loss)
            found[spent] = self._table.regret(best)
            if self._continues(number, epoch, loss):
                heapq.heappush(running, (spent + self._workers, number))
        return found

    def _continues(self, number: int, epoch: int, loss: float) -> bool:
        import optuna

        trial = self._trials[number]
        trial.report(loss, epoch)
        if epoch == EPOCHS:
            self._study.tell(trial, loss)
        elif trial.should_prune():
            self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            return True
        return False


def _suggested(trial: Any, parameter: ParameterPath) -> Value:
    domain, name = parameter.domain, parameter.path
    match domain:
        case Choice() | Grid() | Switch():
            return domain.values[trial.suggest_categorical(name, range(len(domain.values)))]
        case IntUniform():
            return int(trial.suggest_int(name, domain.low, domain.high, log=domain.log))
        case _:
            return float(trial.suggest_float(name, domain.low, domain.high, log=isinstance(domain, LogUniform)))
