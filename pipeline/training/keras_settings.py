"""Keras' settings for a process: float type, dtype policy and order of an image's axes.

What a job's file, or a notebook, sets holds for every model. What a model function sets holds for its own model.
"""

import sys
from dataclasses import dataclass
from typing import Any

_own: "KerasSettings | None" = None


@dataclass(frozen=True, slots=True)
class KerasSettings:
    """Settings of Keras for a process."""

    floatx: str
    dtype_policy: Any
    image_data_format: str

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


def forget_own_settings() -> None:
    """Take the settings before the next model as those of another job or notebook."""
    global _own
    _own = None
