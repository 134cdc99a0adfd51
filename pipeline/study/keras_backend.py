"""The backend of Keras: tunepipe trains models with TensorFlow."""

import os

__all__ = ["BACKEND", "other_backend"]

BACKEND = (
    "must use the backend tensorflow, which trains the models: remove KERAS_BACKEND from the environment and from the "
    "program, or set it to tensorflow; the file keras.json may set `backend` too"
)
"""What Keras must use, and how to set it; follows a subject."""


def other_backend(error: BaseException) -> str | None:
    """The backend that Keras is set to where it cannot be imported because that is not installed; None otherwise.

    Args:
        error: What importing raised.
    """
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
