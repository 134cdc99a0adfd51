"""What training changes in its process: settings of Keras, random generators, names, options for graphs, loggers.

Settings that a job's file or a notebook makes hold for every model; those of a model function hold for its own model.
"""

import logging
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

_own: "KerasSettings | None" = None


@dataclass(frozen=True, slots=True)
class KerasSettings:
    """Keras' float type, dtype policy and order of an image's axes for a process."""

    floatx: str = "float32"
    dtype_policy: Any = None
    image_data_format: str = "channels_last"

    @classmethod
    def current(cls) -> "KerasSettings | None":
        """This process's settings; None before Keras is imported."""
        if "keras" not in sys.modules:
            return None
        import keras

        from pipeline.training.internals import chosen_dtype_policy

        return cls(keras.config.floatx(), chosen_dtype_policy(), keras.config.image_data_format())

    def restore(self) -> None:
        """Make them this process's settings."""
        import keras

        from pipeline.training.internals import restore_dtype_policy

        keras.config.set_floatx(self.floatx)
        restore_dtype_policy(self.dtype_policy)
        keras.config.set_image_data_format(self.image_data_format)


def restore_own_settings() -> None:
    """Restore what was set before the first model function of this process was called."""
    global _own
    if _own is None:
        _own = KerasSettings.current()
    else:
        _own.restore()


@contextmanager
def kept_global_state() -> Iterator[None]:
    """Restore, after the context, the global state that training changes; a fresh import's if Keras is imported within.

    Threads and visible GPUs stay, because TensorFlow takes them once for a process. Classes that the job registers with
    Keras stay registered.
    """
    _forget_job()
    python, numpy = random.getstate(), np.random.get_state()
    settings = KerasSettings.current() or KerasSettings()
    generators: Mapping[str, Any] = {}
    names, options = None, dict[str, Any]()
    if "keras" in sys.modules:
        from pipeline.training.internals import graph_options, library_generators, name_counters

        generators, names, options = library_generators(), name_counters(), graph_options()
    try:
        with _kept_loggers():
            yield
    finally:
        _forget_job()
        if "keras" in sys.modules:
            import tensorflow as tf

            from pipeline.training import internals

            settings.restore()
            if "tensorflow" not in generators:
                tf.random.set_seed(None)
            internals.reset_seeds()
            internals.restore_library_generators(generators)
            internals.restore_graph_options(options)
            internals.restore_name_counters(names)
        random.setstate(python)
        np.random.set_state(numpy)


def registered(module: str = "__main__") -> Mapping[str, Any]:
    """A module's objects that are registered with `keras.saving.register_keras_serializable`, by registered name."""
    if "keras" not in sys.modules:
        return {}
    import keras

    objects: Mapping[str, Any] = keras.saving.get_custom_objects()
    return {name: each for name, each in objects.items() if getattr(each, "__module__", None) == module}


def register(objects: Mapping[str, Any]) -> None:
    """Register objects with Keras in this process."""
    for name, each in objects.items():
        import keras

        package, _, own = name.rpartition(">")
        keras.saving.register_keras_serializable(package or "Custom", own)(each)


def _forget_job() -> None:
    """Forget what was learned of the process before the first model of a job."""
    global _own
    _own = None
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
