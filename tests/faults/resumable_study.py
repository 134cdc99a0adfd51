"""The study that is killed repeatedly: everything in it has state between epochs.

It is run by its path, in its own processes. Each epoch leaves a line in a journal: which process, which trial.
"""

import os
import time

from pipeline import Budget, Choice, LogUniform, Objective, TuneJob, Uniform
from pipeline.study import Checkpoints

JOURNAL = "TUNEPIPE_TESTS_JOURNAL"
EPOCH_SECONDS = 0.15


def build_model(config):
    """A model with dropout and batch normalisation under Adam."""
    import keras

    model = keras.Sequential(
        [
            keras.layers.Input((64,)),
            keras.layers.Dense(24),
            keras.layers.BatchNormalization(),
            keras.layers.Activation("relu"),
            keras.layers.Dropout(config["dropout"]),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(config["lr"]), loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def callbacks(config):
    """A plateau's memory or a schedule's warm restarts, early stopping, and the journal."""
    import keras

    class Journal(keras.callbacks.Callback):
        """Records which process has trained what, and makes an epoch long enough to be interrupted."""

        def on_epoch_end(self, epoch, logs=None):
            with open(os.environ[JOURNAL], "a") as file:  # noqa: PTH123
                file.write(f"{os.getpid()} {config['lr']!r} {epoch + 1}\n")
            time.sleep(EPOCH_SECONDS)

    if config["schedule"] == "plateau":
        schedule = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1, cooldown=1)
    else:
        schedule = keras.callbacks.LearningRateScheduler(lambda epoch: config["lr"] * (1 - epoch % 4 / 8))
    early = keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)
    return [schedule, early, Journal()]


JOB = TuneJob(
    name="resumable",
    model=build_model,
    callbacks=callbacks,
    data="digits",
    space={"lr": LogUniform(1e-3, 0.1), "dropout": Uniform(0.1, 0.5), "schedule": Choice(["plateau", "restarts"])},
    objectives=[Objective("val_accuracy", "max")],
    scheduler="fifo",
    budget=Budget(trials=24, epochs=12),
    checkpoints=Checkpoints(seconds=0.3),
)
