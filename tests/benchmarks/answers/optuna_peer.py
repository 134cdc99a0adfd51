"""Optuna's TPE with one of its pruners, as its documentation writes it."""

import logging
import warnings
from typing import Any

from pipeline.space import Choice, Config, Grid, IntUniform, LogUniform, ParameterPath, Switch, Value, compose
from tests.benchmarks.answers.peer import Verdict
from tests.benchmarks.answers.studies import EPOCHS
from tests.benchmarks.answers.tables import Table


class OptunaHyperband:
    """TPE with Hyperband."""

    def __init__(self, table: Table, seed: int, workers: int) -> None:
        import optuna

        logging.getLogger("optuna").setLevel(logging.WARNING)
        self._space, self._trials = table.study.space, dict[int, Any]()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=workers > 1)
            # Hyperband assigns trials to brackets by the study's name, which would be another one in each run.
            self._study = optuna.create_study(study_name=f"answers-{seed}", sampler=sampler, pruner=self.pruner())

    def pruner(self) -> Any:
        """The pruner."""
        import optuna

        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=EPOCHS, reduction_factor=3)

    def next(self) -> tuple[int, Config]:
        """A new trial."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self._study.ask()
            self._trials[trial.number] = trial
            return trial.number, compose(self._space, lambda place: _suggested(trial, place))

    def reported(self, number: int, epoch: int, loss: float) -> Verdict:
        """Stops a trial that Optuna prunes."""
        import optuna

        trial = self._trials[number]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial.report(loss, epoch)
            if epoch == EPOCHS:
                self._study.tell(trial, loss)
            elif trial.should_prune():
                self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            else:
                return "continue"
        return "stop"


class OptunaHalving(OptunaHyperband):
    """TPE with successive halving."""

    def pruner(self) -> Any:
        """The pruner with its defaults: the first rung is estimated, and one trial in four continues."""
        import optuna

        return optuna.pruners.SuccessiveHalvingPruner()


def _suggested(trial: Any, parameter: ParameterPath) -> Value:
    domain, name = parameter.domain, parameter.path
    match domain:
        case Choice() | Grid() | Switch():
            return domain.values[trial.suggest_categorical(name, range(len(domain.values)))]
        case IntUniform():
            return int(trial.suggest_int(name, domain.low, domain.high, log=domain.log))
        case _:
            return float(trial.suggest_float(name, domain.low, domain.high, log=isinstance(domain, LogUniform)))
