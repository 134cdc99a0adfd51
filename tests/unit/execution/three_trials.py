"""A study of three trials of a model of one layer."""

import keras

from pipeline import Budget, Grid, Objective, TuneJob, load_results
from tests.model_kinds import rows_of_six


def build_model(config):
    model = keras.Sequential([keras.layers.Input((6,)), keras.layers.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.SGD(config["lr"]), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def data():
    return rows_of_six()


JOB = TuneJob(
    name="s",
    model=build_model,
    data=data,
    space={"lr": Grid([0.01, 0.1, 0.5])},
    objectives=[Objective("val_loss", "min")],
    searcher="grid",
    scheduler="fifo",
    budget=Budget(trials=3, epochs=2),
    batch_size=11,
    resources={"workers": 0},
)


def val_loss(store, trial):
    """What the study recorded at the trial's best epoch."""
    trials = load_results(store.uri).trials
    return float(trials.loc[trials["trial_id"] == trial, "objective"].iloc[0])


def scored(model):
    """The model's loss on the validation split."""
    split = data().validation
    model.compile(loss="sparse_categorical_crossentropy")
    return float(model.evaluate(split.x, split.y, verbose=0, return_dict=True)["loss"])
