"""The text of an error of the user's code that its trial keeps, with advice."""

import os
import re
import traceback
from pathlib import Path

from pipeline.code import error_text
from pipeline.results.analysis.failure_causes import first_line

_TRACEBACK = "Traceback (most recent call last):"

_OTHER_SHAPES = "`generator` yielded an element of shape"
"""In TensorFlow's message about a batch that does not fit the specification of a pipeline of Python code."""

_UNPARSED = "UnparsedFlagAccessError"
"""absl's error about a flag that is read before the command line was parsed."""

_INTEGER_LABELS = re.compile(
    r"`target` and `output` must have the same (rank|shape).* target\.shape=\(\w+,( 1)?\), output\.shape=\(\w+, \d+\)"
)
"""In Keras' message about targets that categorical_crossentropy does not take."""


def failure_text(error: BaseException, what_to_do: str) -> str:
    """The error as its trial's row keeps it: the message, advice if there is any, and the traceback."""
    rest = f"{type(error).__name__}: {error}".partition("\n")[2]
    return "\n".join([headline(error, what_to_do), *([rest] if rest else []), "", error_text(error)])


def at_epoch(epoch: int) -> str:
    """The end of the text of a failure that is no error: a number of that epoch is not finite."""
    return f"\n\nAt epoch {epoch}."


def raised(failure: str) -> bool:
    """Whether a trial failed by an error of its code, rather than by a number, a lost worker or a checkpoint."""
    return _TRACEBACK in failure


def headline(error: BaseException, what_to_do: str) -> str:
    """The error in one line, with advice if there is any."""
    first = first_line(f"{type(error).__name__}: {error}")
    return f"{first.rstrip('.')}. {what_to_do}" if what_to_do else first


def advice(error: BaseException, *, started_in: Path, shared: str | None) -> str:
    """What to do about an error whose message names only its effect.

    Such are integer labels where one-hot rows are needed, a file in another folder, a generator's shapes, and flags of
    absl that are not parsed.
    """
    if isinstance(error, FileNotFoundError) and isinstance(error.filename, str | bytes):
        name = os.fsdecode(error.filename)
        if not Path(name).is_absolute() and (started_in / name).exists():
            return (
                f"The file is in {started_in}, where the study was started; the model, the callbacks and the function "
                "run in the trial's own folder. Open it by an absolute path, or in the data function, which runs where "
                "the study was started."
            )
    if type(error).__name__ == _UNPARSED:
        return (
            "app.run parses the flags of absl, and workers do not call it. Parse them where the file defines them: put "
            "flags.FLAGS(sys.argv) after the definitions, outside of any function. Workers have the script's arguments."
        )
    if _INTEGER_LABELS.search(str(error)):
        return (
            "Integer labels need loss='sparse_categorical_crossentropy'; categorical_crossentropy takes one-hot rows: "
            "convert them with keras.utils.to_categorical."
        )
    if _OTHER_SHAPES in str(error):
        return (
            "The first batches of the generator have the same size in an axis in which later ones differ. Pad batches "
            "to one size, or give the data function tf.data.Dataset.from_generator(generator, output_signature=…) with "
            "None for that axis."
        )
    in_callback = any("callbacks" in Path(frame.filename).parts for frame in traceback.extract_tb(error.__traceback__))
    return shared or "" if in_callback or isinstance(error, OSError) else ""
