"""A study in the tools of others while it runs: each epoch is logged soon after it was recorded.

What was recorded is read from the study's own files, in a thread of its own. So nothing that fails here harms the
study, and what was missed is added later.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from pipeline.errors import JobNotFound, UsageError
from pipeline.results.export.mlflow import check_mlflow, write_mlflow
from pipeline.results.export.tensorboard import LiveTensorBoard
from pipeline.results.tables.load import Results, load_results
from pipeline.results.tables.stamp import stamp
from pipeline.sanitize import sanitize_line
from pipeline.storage import Store
from pipeline.study.output_paths import check_output_folder

__all__ = ["Log", "logged", "logs_of"]

_LOOK_SECONDS = 2.0
_SHARE = 0.05
"""At most this share of the study's time is spent on logging."""

_END_SECONDS = 120.0
"""A command waits at most so long for the last values to be logged."""


class Log(Protocol):
    """Where a study is logged."""

    def update(self, results: Results) -> None:
        """Log what is new.

        Args:
            results: The study's results.
        """

    def close(self) -> None:
        """Close what is open."""


class _MLflow:
    def __init__(self, place: str) -> None:
        self._place = place

    def update(self, results: Results) -> None:
        write_mlflow(results, self._place)

    def close(self) -> None:
        pass


def logs_of(texts: Sequence[str]) -> dict[str, Log]:
    """The logs that a user has asked for.

    Args:
        texts: `mlflow=URI`, `mlflow=FOLDER` or `tensorboard=FOLDER`.

    Returns:
        Each log by its text.

    Raises:
        UsageError: A text is neither, or MLflow is not installed.
        StorageError: A folder is within a study.
    """
    logs: dict[str, Log] = {}
    for text in texts:
        kind, _, place = text.partition("=")
        if kind == "mlflow" and place:
            check_mlflow()
            logs[text] = _MLflow(place)
        elif kind == "tensorboard" and place:
            check_output_folder(Path(place))
            logs[text] = LiveTensorBoard(Path(place))
        else:
            raise UsageError(f"--log must be mlflow=URI, mlflow=FOLDER or tensorboard=FOLDER; found {text!r:.200}.")
    return logs


@contextmanager
def logged(store: Store, texts: Sequence[str], note: Callable[[str], None]) -> Iterator[None]:
    """Log a study while the context is open, and the rest of it when the context ends, however it ends.

    Args:
        store: The study's folder; there need be no study yet.
        texts: As for `logs_of`.
        note: Called with a sentence when something cannot be logged, once for each log.

    Raises:
        UsageError: A text is not allowed, or MLflow is not installed.
        StorageError: A folder is within a study.
    """
    if not (logs := logs_of(texts)):
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_Follower(store, logs, note).follow, args=(ended,), name="log", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_END_SECONDS)
        if thread.is_alive():
            note(f"Not everything is logged yet, after {_END_SECONDS:.0f} seconds; a resume with --log adds the rest.")


class _Follower:
    def __init__(self, store: Store, logs: dict[str, Log], note: Callable[[str], None]) -> None:
        self._store, self._logs, self._note = store, logs, note
        self._faults: set[str] = set()
        self._mark = ""

    def follow(self, ended: threading.Event) -> None:
        """Log what is new, again and again, and once more at the end.

        Args:
            ended: Whether the study has ended.
        """
        pause = _LOOK_SECONDS
        while not ended.wait(pause):
            began = time.monotonic()
            self._update()
            pause = max(_LOOK_SECONDS, (time.monotonic() - began) / _SHARE)
        self._update()
        for log in self._logs.values():
            self._guarded("", log.close)

    def _update(self) -> None:
        def read() -> None:
            mark = stamp(self._store)
            if mark != self._mark:
                results = load_results(self._store.uri)
                fine = [self._guarded(text, partial(log.update, results)) for text, log in self._logs.items()]
                # What could not be logged is tried again.
                self._mark = mark if all(fine) else ""

        self._guarded("", read)

    def _guarded(self, text: str, call: Callable[[], None]) -> bool:
        """Call something whose failure must not harm the study; returns whether it has not failed."""
        try:
            call()
        except JobNotFound:
            # The study has not begun yet, or nothing is left of it.
            return True
        except Exception as error:
            if text not in self._faults:
                self._faults.add(text)
                what = f"--log {text}" if text else "The study is not logged"
                reason = sanitize_line(str(error) or type(error).__name__)
                self._note(f"{what}: {reason} The study goes on without it, and what is missed is logged later.")
            return False
        return True
