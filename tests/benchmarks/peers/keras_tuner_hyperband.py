"""KerasTuner's Hyperband in one process. An iteration over its brackets tries about ten configs."""

import keras
import keras_tuner

from tests.benchmarks.peers import problem

_PER_ITERATION = 10

trained = 0


class Count(keras.callbacks.Callback):
    """Counts epochs; the tuner copies callbacks, so the count is the module's."""

    def on_epoch_end(self, epoch, logs=None):
        global trained
        trained += 1


def build(hp):
    return problem.network(
        hp.Float("lr", *problem.LR, sampling="log"),
        hp.Float("momentum", *problem.MOMENTUM),
        hp.Choice("width", problem.WIDTHS),
    )


def main() -> None:
    data = problem.arrays()
    tuner = keras_tuner.Hyperband(
        build,
        objective="val_accuracy",
        # The smoke test's few trials are those of few brackets.
        max_epochs=min(problem.EPOCHS, problem.trials()),
        factor=int(problem.FACTOR),
        hyperband_iterations=max(1, round(problem.trials() / _PER_ITERATION)),
        seed=0,
        directory="tuner",
    )
    tuner.search(**data, callbacks=[Count()])
    best = tuner.oracle.get_best_trials(1)[0]
    problem.tell(epochs=trained, trials=len(tuner.oracle.trials), best=best.score)


if __name__ == "__main__":
    main()
