"""Trials that cost nothing: what is left is the pipeline."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.schedulers import FIFO
from pipeline.space import Uniform
from pipeline.study import Budget, Objective, TuneJob

EPOCHS = 8


def count(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    for epoch in range(EPOCHS):
        yield {"value": config["x"] * epoch}


JOB = TuneJob(
    name="bench-trivial",
    function=count,
    space={"x": Uniform(0.0, 1.0)},
    objectives=[Objective("value", "max")],
    scheduler=FIFO(),
    budget=Budget(trials=200, epochs=EPOCHS),
)
