"""A study that reports in which process each epoch was trained."""

import os

from pipeline import Budget, Objective, TuneJob, Uniform


def steady(config):
    """A value and the process."""
    import keras

    keras.utils.set_random_seed(0)
    while True:
        yield {"score": config["x"], "process": os.getpid()}


JOB = TuneJob(
    name="steady",
    function=steady,
    space={"x": Uniform(0, 1)},
    objectives=[Objective("score", "max")],
    scheduler="fifo",
    budget=Budget(trials=10, epochs=3),
)
