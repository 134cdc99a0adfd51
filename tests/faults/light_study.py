"""The study whose driver is killed among thousands of trials: each takes no time, has state, and leaves a checkpoint.

It is run by its path, in its own process. Each trial that begins, or continues, adds a byte to a journal.
"""

import os

from pipeline import Budget, LogUniform, Objective, TuneJob, Uniform

JOURNAL = "TUNEPIPE_TESTS_JOURNAL"


def climb(config, state):
    """Values that depend on the config and on all epochs before."""
    if journal := os.environ.get(JOURNAL):
        with open(journal, "ab") as file:  # noqa: PTH123
            file.write(b".")
    score = 0.0 if state is None else state
    while True:
        score += config["x"] * (1 - score) * config["rate"]
        yield {"score": score, "rest": 1 - score}, score


JOB = TuneJob(
    name="light",
    function=climb,
    space={"x": Uniform(0, 1), "rate": LogUniform(1e-3, 1.0)},
    objectives=[Objective("score", "max")],
    scheduler="asha",
    budget=Budget(trials=10_000, epochs=8),
)
