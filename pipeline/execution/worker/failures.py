"""The text of an error of the user's code that its trial keeps, with advice."""

import os
import traceback
from pathlib import Path

from pipeline.results.analysis.failure_causes import first_line
from pipeline.study.tracebacks import error_text

__all__ = ["advice", "failure_text"]

_OTHER_SHAPES = "`generator` yielded an element of shape"
"""In TensorFlow's message about a batch that does not fit the specification of a pipeline of Python code."""


def failure_text(error: BaseException, what_to_do: str) -> str:
    """The error as its trial's row keeps it: the message, advice if there is any, and the traceback.

    Args:
        error: The error.
        what_to_do: What `advice` returned.
    """
    whole = f"{type(error).__name__}: {error}"
    first, rest = first_line(whole), whole.partition("\n")[2]
    headline = f"{first.rstrip('.')}. {what_to_do}" if what_to_do else first
    return "\n".join([headline, *([rest] if rest else []), "", error_text(error)])


def advice(error: BaseException, *, started_in: Path, shared: str | None) -> str:
    """What to do about an error that results from where the user's code reads and writes, or from a generator's shapes.

    Args:
        error: The error.
        started_in: The folder in which the study was started.
        shared: A note on a callback that writes to the same place in all trials; None if there is none.

    Returns:
        Sentences; empty for any other error.
    """
    if isinstance(error, FileNotFoundError) and isinstance(error.filename, str | bytes):
        name = os.fsdecode(error.filename)
        if not Path(name).is_absolute() and (started_in / name).exists():
            return (
                f"The file is in {started_in}, where the study was started; the model, the callbacks and the function "
                "run in the trial's own folder. Open it by an absolute path, or in the data function, which runs where "
                "the study was started."
            )
    if _OTHER_SHAPES in str(error):
        return (
            "The first batches of the generator have the same size in an axis in which later ones differ. Pad batches "
            "to one size, or give the data function tf.data.Dataset.from_generator(generator, output_signature=…) with "
            "None for that axis."
        )
    in_callback = any("callbacks" in Path(frame.filename).parts for frame in traceback.extract_tb(error.__traceback__))
    return shared or "" if in_callback or isinstance(error, OSError) else ""
