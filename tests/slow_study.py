"""A study without Keras that lasts long enough to be killed; its values depend on the configs alone."""

import time

from pipeline import Budget, Objective, TuneJob, Uniform
from pipeline.study import Checkpoints

STEP_SECONDS = 0.25


def climb(config):
    """A score that grows from step to step."""
    for step in range(1, 100):
        time.sleep(STEP_SECONDS)
        yield {"score": config["x"] * step, "half": config["x"] / 2}


JOB = TuneJob(
    name="slow-study",
    function=climb,
    space={"x": Uniform(0, 1)},
    objectives=[Objective("score", "max")],
    scheduler="fifo",
    budget=Budget(trials=8, epochs=16),
    checkpoints=Checkpoints(seconds=0.5),
)
