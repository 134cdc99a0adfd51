"""Optuna's TPE with its Hyperband pruner, as its documentation writes it, simulated over the same tables."""

import heapq
import logging
import warnings
from typing import Any

import numpy as np

from pipeline.space import Choice, Grid, IntUniform, LogUniform, ParameterPath, Switch, Value, compose
from tests.benchmarks.answers.studies import EPOCHS
from tests.benchmarks.answers.tables import Table

__all__ = ["optuna_regrets"]


def optuna_regrets(table: Table, seed: int, workers: int, epochs: int) -> np.ndarray:
    """The regret after each epoch of compute, from 1 to `epochs`.

    Args:
        table: The curves.
        seed: The sampler's.
        workers: How many trials train at once, an epoch each in turn.
        epochs: How many epochs.
    """
    import optuna

    logging.getLogger("optuna").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=workers > 1),
            pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=EPOCHS, reduction_factor=3),
        )
        found, best = np.full(epochs, np.nan), np.inf
        running: list[tuple[int, int, Any, Any]] = []
        for spent in range(epochs):
            if len(running) < workers:
                trial = study.ask()
                config = compose(table.study.space, lambda place, trial=trial: _suggested(trial, place))
                running.append((spent, trial.number, trial, table.curve(trial.number, 1, config)))
                heapq.heapify(running)
            _, number, trial, curve = heapq.heappop(running)
            epoch = getattr(trial, "epochs_done", 0) + 1
            trial.epochs_done = epoch
            value = curve.values[epoch - 1]
            best = min(best, value)
            found[spent] = table.regret(best)
            trial.report(value, epoch)
            if epoch == EPOCHS:
                study.tell(trial, value)
            elif trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            else:
                heapq.heappush(running, (spent + workers, number, trial, curve))
    return found


def _suggested(trial: Any, place: ParameterPath) -> Value:
    domain, name = place.domain, place.path
    match domain:
        case Choice() | Grid() | Switch():
            return domain.values[trial.suggest_categorical(name, range(len(domain.values)))]
        case IntUniform():
            return int(trial.suggest_int(name, domain.low, domain.high, log=domain.log))
        case _:
            return float(trial.suggest_float(name, domain.low, domain.high, log=isinstance(domain, LogUniform)))
