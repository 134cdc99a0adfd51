"""A Keras study whose epochs take 20 seconds, longer than the termination notice of a spot node."""

import time

from pipeline import Budget, LogUniform, Objective, TuneJob

EPOCH_SECONDS = 20
_BATCHES = 10


def build_model(config):
    """One dense layer for scikit-learn's digits."""
    import keras

    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, "softmax")])
    model.compile(keras.optimizers.SGD(config["lr"]), "categorical_crossentropy", metrics=["accuracy"])
    return model


def callbacks(config):
    """Makes every batch take a tenth of the epoch."""
    import keras

    return [keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_, **__: time.sleep(EPOCH_SECONDS / _BATCHES))]


JOB = TuneJob(
    name="slow-epochs", model=build_model, callbacks=callbacks, data="digits", space={"lr": LogUniform(1e-3, 1e-1)},
    objectives=[Objective("val_accuracy", "max")], scheduler="fifo", budget=Budget(trials=1, epochs=4),
    batch_size=128,
)  # fmt: skip
