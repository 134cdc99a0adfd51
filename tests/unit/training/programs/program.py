"""A program: a data function and a model function, on small made-up data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from pipeline.datasets import Dataset


@dataclass(frozen=True)
class Program:
    """A program.

    Args:
        data: The data function.
        model: The model function.
        inexact: What its reason for an inexact resume holds; empty if it resumes exactly.
        objective: A metric that it has.
        config: The config with which it is tried.
        fields: Other fields of its job.
    """

    data: Callable[..., Dataset]
    model: Callable[[Mapping[str, Any]], keras.Model]
    inexact: str = ""
    objective: str = "val_loss"
    config: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
