"""Optuna in one process, with its successive halving: a trial is built, fitted and pruned as its documentation does."""

import keras
import optuna

from tests.benchmarks.peers import problem

trained = 0


class Pruning(keras.callbacks.Callback):
    """Reports each epoch and ends the trial where the pruner says so."""

    def __init__(self, trial):
        super().__init__()
        self._trial = trial

    def on_epoch_end(self, epoch, logs=None):
        global trained
        trained += 1
        self._trial.report(logs["val_accuracy"], step=epoch + 1)
        if self._trial.should_prune():
            raise optuna.TrialPruned


def main() -> None:
    data = problem.arrays()

    def objective(trial):
        keras.backend.clear_session()
        model = problem.network(
            trial.suggest_float("lr", *problem.LR, log=True),
            trial.suggest_float("momentum", *problem.MOMENTUM),
            trial.suggest_categorical("width", problem.WIDTHS),
        )
        return model.fit(**data, epochs=problem.EPOCHS, callbacks=[Pruning(trial)]).history["val_accuracy"][-1]

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=int(problem.FACTOR)),
    )
    study.optimize(objective, n_trials=problem.trials())
    problem.tell(epochs=trained, trials=len(study.trials), best=study.best_value)


if __name__ == "__main__":
    main()
