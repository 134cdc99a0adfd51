"""The global state of Python, NumPy, Keras and TensorFlow that training changes in its process."""

import logging
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.training.keras_settings import KerasSettings, forget_own_settings


@contextmanager
def kept_global_state() -> Iterator[None]:
    """Restore, after the context, the global state that training changes.

    These are the random generators of Python, NumPy, TensorFlow and Keras, Keras' float precision, dtype policy and
    counters of names, TensorFlow's options for graphs, and the loggers through which both report. If Keras is imported
    within the context, its state is afterwards that of a fresh import.

    Threads and visible GPUs stay, because TensorFlow takes them once for a process: unless TensorFlow was started
    before, it keeps the threads of the first job that was trained here, and sees no GPU if that job uses none.
    Eager operations of TensorFlow that draw from a global seed restart their sequence. Classes that the job registers
    with Keras stay registered.
    """
    _forget()
    python, numpy = random.getstate(), np.random.get_state()
    keras = _KerasState.current() if "keras" in sys.modules else _KerasState()
    try:
        with _kept_loggers():
            yield
    finally:
        _forget()
        if "keras" in sys.modules:
            keras.restore()
        random.setstate(python)
        np.random.set_state(numpy)


def _forget() -> None:
    """Forget what was learned of the process before the first model of a job."""
    forget_own_settings()
    if "keras" in sys.modules:
        from pipeline.training.persistent_objects import forget_first_values

        forget_first_values()


@contextmanager
def _kept_loggers() -> Iterator[None]:
    """Restore the root logger and that of absl: absl's first message gives the root logger a handler."""
    # Absl's logger has its own class: it is not to be created here.
    loggers = [logging.root, *(logging.getLogger(name) for name in ["absl"] if name in logging.root.manager.loggerDict)]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    try:
        yield
    finally:
        for logger, level, handlers in before:
            logger.setLevel(level)
            logger.handlers[:] = handlers


@dataclass(frozen=True, slots=True)
class _KerasState:
    """The global state of Keras and TensorFlow; without arguments, that of a fresh import."""

    settings: KerasSettings | None = None
    generators: Mapping[str, Any] = field(default_factory=dict)
    names: Any = None
    graph_options: dict[str, Any] | None = field(default_factory=dict)

    @classmethod
    def current(cls) -> "_KerasState":
        from pipeline.training.internals import graph_options, library_generators, name_counters

        return cls(KerasSettings.current(), library_generators(), name_counters(), graph_options())

    def restore(self) -> None:
        import tensorflow as tf

        from pipeline.training.internals import (
            reset_seeds,
            restore_graph_options,
            restore_library_generators,
            restore_name_counters,
        )

        (self.settings or KerasSettings("float32", None, "channels_last")).restore()
        if "tensorflow" not in self.generators:
            tf.random.set_seed(None)
        if "keras" not in self.generators:
            reset_seeds()
        restore_library_generators(self.generators)
        restore_graph_options(self.graph_options)
        restore_name_counters(self.names)
