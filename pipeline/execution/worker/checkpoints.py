"""A trial's checkpoints: written while training continues, and read by the worker that resumes the trial.

A checkpoint holds the learner's state, the trial's lineage, and every row of its segment, because the driver may die
before it has written the rows.
"""

import math
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from pipeline.engine.messages import Assignment
from pipeline.errors import DamagedFile
from pipeline.storage import Checkpoint, Store, layout, pack, unpack
from pipeline.storage.sessions import check_newest

_CHECK_SECONDS = 1.0

_Stored: TypeAlias = tuple[str, int, int]
"""A checkpoint that is in the storage: its trial, epoch and bytes."""


class CheckpointWriter:
    """Writes a session's checkpoints in its own thread, one after the other, while training continues."""

    def __init__(self, store: Store, session: int) -> None:
        self._store, self._session = store, session
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._writing: list[Future[_Stored]] = []
        self._checked = -math.inf

    def write(self, assignment: Assignment, epoch: int, checkpoint: Checkpoint) -> None:
        """Begin to write a checkpoint."""

        def write() -> _Stored:
            self.check()
            path = layout.checkpoint(assignment.trial_id, epoch)
            return assignment.trial_id, epoch, self._store.write(path, pack(checkpoint))

        self._writing.append(self._thread.submit(write))

    def wait(self) -> None:
        """Wait until all are written; `stored` still reports them."""
        wait(self._writing)

    def stored(self) -> list[_Stored]:
        """The checkpoints that have been written since the last call."""
        done = [future for future in self._writing if future.done()]
        self._writing = [future for future in self._writing if future not in done]
        return [future.result() for future in done]

    def newest(self, assignment: Assignment) -> Checkpoint | None:
        """The newest complete checkpoint of a trial in its current segment; damaged ones are skipped.

        Those of another config or seed are skipped, too: a driver that was killed may have drawn another trial of that
        number. So are those of a segment that began in another session, with weights that the trial did not take over.
        """
        if assignment.new:
            return None
        folder = str(PurePosixPath(layout.checkpoint(assignment.trial_id, 0)).parent)
        wanted = lineage(assignment, 0)
        found = {path: place for path in self._store.files(folder) if (place := layout.checkpoint_of(path)) is not None}
        for path in sorted(found, key=found.__getitem__, reverse=True):
            try:
                checkpoint = self.read(path)
                if {**checkpoint.header["lineage"], "epoch": 0} == wanted:
                    return checkpoint
            except FileNotFoundError:
                continue
            except (DamagedFile, LookupError, TypeError) as error:
                print(f"tunepipe: {path} is damaged; an older checkpoint is used, or the trial starts again: {error}")
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
