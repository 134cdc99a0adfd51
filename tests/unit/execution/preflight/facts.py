"""Facts as processes publish them, for the tests of the folder."""

import sysconfig
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline import Budget, Objective, TuneJob, Uniform
from pipeline.engine.messages import Assignment
from pipeline.execution.preflight.finding import TrainingFacts

_TRACE = """Traceback (most recent call last):
  File "/copies/source/mine.py", line 7, in build_model
    return layers(config)
  File "<string>", line 1, in nothing
  File "{library}/keras/layer.py", line 99, in __init__
    raise ValueError("no")
ValueError: no
"""


def build_model(config: Mapping[str, Any]) -> None:
    """A model that is never built here."""


def steps(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """A function that is never called here."""
    yield {"score": 1.0}


def job(**fields: Any) -> TuneJob:
    """A job with a model; keyword arguments are its fields."""
    defaults: dict[str, Any] = {
        "name": "s",
        "model": build_model,
        "data": "digits",
        "space": {"x": Uniform(0, 1)},
        "objectives": [Objective("val_accuracy", "max")],
        "budget": Budget(trials=8, epochs=8),
        "scheduler": "asha",
    }
    if "function" in fields:
        defaults |= {"model": None, "data": None}
    return TuneJob(**{**defaults, **fields})


def trained(**fields: Any) -> TrainingFacts:
    """A trial whose first epoch went well."""
    defaults: dict[str, Any] = {
        "trial_id": "0000",
        "config": {"x": 0.5},
        "metrics": {"loss": 1.0, "val_accuracy": 0.5},
        "seconds_build": 2.0,
        "seconds_epoch": 10.0,
        "bytes_checkpoint": 1000,
        "bytes_memory": 10**9,
    }
    return TrainingFacts(**{**defaults, **fields})


def drawn(*configs: Mapping[str, Any]) -> list[Assignment]:
    """Trials with those configs."""
    return [Assignment(f"{index:04d}", dict(config), 0) for index, config in enumerate(configs)]


def user_trace() -> str:
    """A traceback with a line of the user's code, and below it a library's."""
    return _TRACE.format(library=sysconfig.get_path("purelib"))
