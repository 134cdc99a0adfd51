"""The text of an error of the user's code that its trial keeps."""

from pathlib import Path

from pipeline.code import error_text

_TRACEBACK = "Traceback (most recent call last):"


def failure_text(error: BaseException, started_in: Path) -> str:
    """The error as its trial's row keeps it: the message, advice about a file of the start folder, the traceback."""
    first, *rest = f"{type(error).__name__}: {error}".strip().splitlines()
    if isinstance(error, FileNotFoundError) and isinstance(error.filename, str):
        name = Path(error.filename)
        if not name.is_absolute() and (started_in / name).exists():
            first = (
                f"{first}. The file is in {started_in}, where the study was started; the model, the callbacks and the "
                "function run in the trial's own folder. Open it by an absolute path, or in the data function."
            )
    return "\n".join([first, *rest, "", error_text(error)])


def at_epoch(epoch: int) -> str:
    """The end of the text of a failure that is no error: a number of that epoch is not finite."""
    return f"\n\nAt epoch {epoch}."


def raised(failure: str) -> bool:
    """Whether a trial failed by an error of its code, rather than by a number, a lost worker or a checkpoint."""
    return _TRACEBACK in failure
