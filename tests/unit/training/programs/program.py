"""A program: a data function and a model function, on small made-up data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from pipeline.datasets import Dataset


@dataclass(frozen=True)
class Program:
    """A program."""

    data: Callable[..., Dataset]
    model: Callable[[Mapping[str, Any]], keras.Model]
    inexact: str = ""
    objective: str = "val_loss"
    config: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
