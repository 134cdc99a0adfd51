"""The Keras that trains: version 3, with TensorFlow as its backend, which executes eagerly outside of functions."""

import os
import sys

from pipeline.errors import ModelError

BACKEND = (
    "must use the backend tensorflow, which trains the models: remove KERAS_BACKEND from the environment and from the "
    "program, or set it to tensorflow; the file keras.json may set `backend` too"
)
"""What Keras must use, and how to set it; follows a subject."""

KERAS_2 = "tf_keras"
"""The package of Keras 2."""

OTHER_KERAS = (
    "tunepipe trains models of Keras 3: import keras or tensorflow.keras, and use its names; "
    "keras.io/guides/migrating_to_keras_3 lists what Keras 2 has instead"
)
"""What to do about code for Keras 2, as a sentence without its end."""

_LEGACY = "Keras must be version 3. Remove TF_USE_LEGACY_KERAS from the environment and from the program."
_EAGER = "TensorFlow must execute eagerly. Remove tf.compat.v1.disable_eager_execution() and disable_v2_behavior()."


def refuse_other_keras() -> None:
    """Refuse Keras 2, which TensorFlow imports as tf.keras on request, and the graphs of TensorFlow 1."""
    if os.environ.get("TF_USE_LEGACY_KERAS", "").lower() in ("1", "true"):
        raise ModelError(_LEGACY)
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None and not tensorflow.compat.v1.executing_eagerly_outside_functions():
        raise ModelError(_EAGER)


def refuse_other_backend() -> None:
    """Refuse a backend that code chooses after Keras is imported: Keras would train with TensorFlow nevertheless."""
    if (chosen := os.environ.get("KERAS_BACKEND")) not in (None, "", "tensorflow"):
        raise ModelError(f"Keras {BACKEND}. Found: {chosen}.")


def other_backend(error: BaseException) -> str | None:
    """The backend that Keras is set to where it cannot be imported because that is not installed; None otherwise."""
    if isinstance(error, ModuleNotFoundError) and error.name in ("jax", "torch", "openvino"):
        chosen = os.environ.get("KERAS_BACKEND")
        if chosen == error.name or (chosen is None and _raised_in_keras(error)):
            return error.name
    return None


def _raised_in_keras(error: BaseException) -> bool:
    trace = error.__traceback__
    names = set()
    while trace is not None:
        names.add(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return any(name.startswith("keras.src.backend") for name in names)
