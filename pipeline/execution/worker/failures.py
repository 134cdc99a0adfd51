"""The text of an error of the user's code that its trial keeps."""

import os
import traceback
from pathlib import Path

from pipeline.code import error_text

_TRACEBACK = "Traceback (most recent call last):"


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


def first_line(text: str) -> str:
    """The first line of a text that is not empty."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def advice(error: BaseException, *, started_in: Path, shared: str | None) -> str:
    """What to do about an error whose message names only its effect: a file in another folder, or shared callbacks."""
    if isinstance(error, FileNotFoundError) and isinstance(error.filename, str | bytes):
        name = os.fsdecode(error.filename)
        if not Path(name).is_absolute() and (started_in / name).exists():
            return (
                f"The file is in {started_in}, where the study was started; the model, the callbacks and the function "
                "run in the trial's own folder. Open it by an absolute path, or in the data function, which runs where "
                "the study was started."
            )
    in_callback = any("callbacks" in Path(frame.filename).parts for frame in traceback.extract_tb(error.__traceback__))
    return shared or "" if in_callback or isinstance(error, OSError) else ""
