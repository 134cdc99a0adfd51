"""A study without Keras that a test can hold in an epoch; each epoch writes a line to a journal."""

import os
import time
from pathlib import Path

from pipeline import Budget, Choice, Objective, TuneJob, Uniform

JOURNAL, HELD_AT = "TUNEPIPE_TESTS_JOURNAL", "TUNEPIPE_TESTS_HELD_AT"
EPOCHS = 8


def climb(config):
    """Crossing curves; the trial that writes the chosen line waits until the test continues it."""
    journal = os.environ.get(JOURNAL)
    for step in range(1, EPOCHS + 1):
        if journal:
            with open(journal, "a") as file:  # noqa: PTH123
                file.write(f"{config} {step}\n")
            if len(Path(journal).read_text().splitlines()) == int(os.environ.get(HELD_AT, "0")):
                Path(f"{journal}-held").touch()
                while not Path(f"{journal}-go").exists():
                    time.sleep(0.01)
        yield {"score": config["x"] * step ** config["power"]}


JOB = TuneJob(
    name="journaled",
    function=climb,
    space={"x": Uniform(0.5, 1), "power": Choice([0.2, 0.5, 1.0])},
    objectives=[Objective("score", "max")],
    scheduler="fifo",
    budget=Budget(trials=6, epochs=EPOCHS),
)
