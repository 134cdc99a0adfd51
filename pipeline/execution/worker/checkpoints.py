"""A trial's checkpoints: written while training continues, and read by the worker that resumes the trial.

A checkpoint holds the learner's state, the trial's lineage, and every row of its segment, because the driver may die
before it has written the rows.
"""

import math
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from pipeline.engine.messages import Assignment
from pipeline.errors import DamagedFile
from pipeline.storage import Checkpoint, Store, layout, pack, unpack
from pipeline.storage.sessions import check_newest

_CHECK_SECONDS = 1.0


class StoredCheckpoint(NamedTuple):
    """A checkpoint that is in the storage."""

    trial_id: str
    epoch: int
    bytes: int
    found: bool = False
    """Whether an earlier attempt has written it."""


class Checkpoints:
    """Writes a session's checkpoints in its own thread, one after the other, while training continues."""

    def __init__(self, store: Store, session: int) -> None:
        self._store, self._session = store, session
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._writing: list[Future[StoredCheckpoint]] = []
        self._found: list[StoredCheckpoint] = []
        self._checked = -math.inf

    def write(self, assignment: Assignment, epoch: int, checkpoint: Checkpoint) -> None:
        """Begin to write a checkpoint."""

        def write() -> StoredCheckpoint:
            self.check()
            path = layout.checkpoint(assignment.trial_id, epoch)
            return StoredCheckpoint(assignment.trial_id, epoch, self._store.write(path, pack(checkpoint)))

        self._writing.append(self._thread.submit(write))

    def wait(self) -> None:
        """Wait until all are written; `stored` still reports them."""
        wait(self._writing)

    def stored(self) -> list[StoredCheckpoint]:
        """The checkpoints that have been written, or that `newest` has found, since the last call."""
        done = [future for future in self._writing if future.done()]
        self._writing = [future for future in self._writing if future not in done]
        found, self._found = self._found, []
        return [*found, *(future.result() for future in done)]

    def newest(self, assignment: Assignment) -> Checkpoint | None:
        """The newest complete checkpoint of a trial in its current segment; damaged ones are skipped.

        Those of another config or seed are skipped, too: a driver that was killed may have drawn another trial of that
        number. So are those of a segment that began in another session, with weights that the trial did not take over.
        None of these is reported as found.
        """
        if assignment.new:
            return None
        trial_id, self._found = assignment.trial_id, []
        folder = str(PurePosixPath(layout.checkpoint(trial_id, 0)).parent)
        files = [
            (path, StoredCheckpoint(trial_id, file[1], size, found=True))
            for path, size in self._store.sizes(folder)
            if (file := layout.checkpoint_of(path)) is not None
        ]
        wanted = lineage(assignment, 0)
        for place, (path, stored) in reversed(list(enumerate(files))):
            try:
                checkpoint = self.read(path)
                actual = {**checkpoint.header["lineage"], "epoch": 0}
            except FileNotFoundError:
                continue
            except (DamagedFile, LookupError, TypeError) as error:
                print(f"tunepipe: {path} is damaged; an older checkpoint is used, or the trial starts again: {error}")
                self._found.append(stored)
                continue
            if actual == wanted:
                # Older ones are not read: one of another trial among them does no harm.
                self._found += [older for _, older in files[: place + 1]]
                return checkpoint
        return None

    def read(self, path: str) -> Checkpoint:
        """A checkpoint, verified."""
        return unpack(self._store.read(path), path)

    def check(self) -> None:
        """Raise Superseded if a later driver session has begun; the storage is asked once a second at most."""
        now = time.monotonic()
        if now - self._checked >= _CHECK_SECONDS:
            check_newest(self._store, self._session)
            self._checked = now


def lineage(assignment: Assignment, epoch: int) -> dict[str, Any]:
    """Where a checkpoint comes from; a trial resumes from one of its own alone."""
    names = ("trial_id", "segment", "segment_session", "config", "seed")
    return {"epoch": epoch, **{name: getattr(assignment, name) for name in names}}


def learner_part(checkpoint: Checkpoint) -> Checkpoint:
    """The learner's part of a trial's checkpoint."""
    header: Any = checkpoint.header["learner"]
    return Checkpoint(header, checkpoint.arrays)
