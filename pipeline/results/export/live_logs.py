"""Logs a running study to other tools: each epoch soon after it was recorded.

Each log reads the study's own files in its own thread. Errors here do not affect the study, and missing epochs are
added later.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from pipeline.errors import JobNotFound, UsageError
from pipeline.results.export.mlflow import MLflowLog
from pipeline.results.export.tensorboard import LiveTensorBoard
from pipeline.results.tables.load import Results, load_results, stamp
from pipeline.storage import Store
from pipeline.study.contents import check_output_folder
from pipeline.text import sanitize_line

_POLL_SECONDS = 2.0
_SHARE = 0.05
"""At most this share of the study's time is spent on logging."""
_END_SECONDS, _FAILED_SECONDS = 120.0, 10.0
"""How long a command waits for the last values to be logged; and for a log that has failed before."""


class Log(Protocol):
    """Where a study is logged."""

    def update(self, results: Results) -> None:
        """Log what is new."""

    def close(self) -> None:
        """Close what is open."""


def logs_of(texts: Sequence[str]) -> dict[str, Log]:
    """The logs that a user has asked for; a relative path is one of the current folder, which a trial may change."""
    logs: dict[str, Log] = {}
    for text in texts:
        kind, _, place = text.partition("=")
        if kind == "mlflow" and place:
            logs[text] = MLflowLog(place)
        elif kind == "tensorboard" and place:
            check_output_folder(Path(place))
            logs[text] = LiveTensorBoard(Path(place).absolute())
        else:
            raise UsageError(f"--log must be mlflow=URI, mlflow=FOLDER or tensorboard=FOLDER; found {text!r:.200}.")
    return logs


@contextmanager
def log_live(store: Store, texts: Sequence[str], note: Callable[[str], None]) -> Iterator[None]:
    """Log a study while the context is open, and the rest of it when the context ends, however it ends."""
    ended = threading.Event()
    # A thread for each, so that a server which hangs keeps no other log waiting.
    threads = [_LogThread(store, text, log, note, ended) for text, log in logs_of(texts).items()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        began = time.monotonic()
        for thread in threads:
            while thread.is_alive() and (left := began + thread.patience - time.monotonic()) > 0:
                thread.join(min(left, 0.2))
            if thread.is_alive():
                note(
                    f"--log {thread.name}: not everything is logged yet, after {time.monotonic() - began:.0f} seconds; "
                    "a resume with --log adds the rest."
                )


class _LogThread(threading.Thread):
    """Logs what is new, again and again, and once more at the end."""

    def __init__(self, store: Store, text: str, log: Log, note: Callable[[str], None], ended: threading.Event) -> None:
        super().__init__(name=text, daemon=True)
        self._store, self._log, self._note, self._ended = store, log, note, ended
        self._noted, self._mark, self.patience = False, "", _END_SECONDS

    def run(self) -> None:
        """Log until the study has ended, and then what is left."""
        pause = _POLL_SECONDS
        while not self._ended.wait(pause):
            began = time.monotonic()
            self._guarded(self._update)
            pause = max(_POLL_SECONDS, (time.monotonic() - began) / _SHARE)
        self._guarded(self._update)
        self._guarded(self._log.close)

    def _update(self) -> None:
        mark = stamp(self._store)
        if mark != self._mark:
            self._log.update(load_results(self._store.uri))
            # Not before: what could not be logged is tried again.
            self._mark = mark

    def _guarded(self, call: Callable[[], None]) -> None:
        """Call a function whose errors must not affect the study."""
        try:
            call()
            self.patience = _END_SECONDS
        except JobNotFound:
            # The study has not begun yet, or was deleted.
            pass
        except Exception as error:
            self.patience = _FAILED_SECONDS
            if not self._noted:
                self._noted = True
                reason = sanitize_line(str(error) or type(error).__name__)
                self._note(
                    f"--log {self.name}: {reason} The study continues without this log, and missing epochs are logged "
                    "later."
                )
