"""A trial's checkpoints: written while training continues, and read by the worker that resumes the trial.

A checkpoint holds the learner's state, the trial's lineage, and every row of its segment, because the driver may die
before it has written the rows.
"""

import math
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pipeline.engine.messages import Assignment, EpochRow
from pipeline.errors import DamagedFile
from pipeline.storage import Checkpoint, Store, pack, unpack
from pipeline.storage.lease import check_newest
from pipeline.study import layout

_CHECK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint that is in the storage."""

    epoch: int
    bytes: int
    found: bool = False


class CheckpointWriter:
    """Writes checkpoints in its own thread, one after the other, while training continues."""

    def __init__(self, store: Store, session: int | None) -> None:
        self._store, self._session = store, session
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._writing: list[Future[StoredCheckpoint]] = []
        self._found: list[StoredCheckpoint] = []
        self._checked = -math.inf
        # A list of a few local files costs nothing, and a process that slept may have been replaced in less.
        self._check_seconds = _CHECK_SECONDS if store.local is None else 0.0

    @property
    def enabled(self) -> bool:
        """Whether there is a driver session to write for."""
        return self._session is not None

    def snapshot(
        self,
        assignment: Assignment,
        state: Checkpoint,
        *,
        epoch: int,
        best: float | None,
        violation: float = 0.0,
        ended: bool,
        rows: Sequence[EpochRow],
    ) -> Checkpoint:
        """A learner's state, with what its trial needs in addition."""
        header = {
            "lineage": {
                "trial_id": assignment.trial_id,
                "epoch": epoch,
                "segment": assignment.segment,
                "segment_session": assignment.segment_session,
                "config": assignment.config,
                "seed": assignment.seed,
            },
            "best": best,
            "violation": violation,
            "ended": ended,
            "rows": tuple(rows),
            "learner": state.header,
        }
        return Checkpoint(header, state.arrays)

    def write(self, trial_id: str, epoch: int, checkpoint: Checkpoint) -> None:
        """Begin to write a checkpoint."""
        self._writing.append(self._thread.submit(self._write_now, trial_id, epoch, checkpoint))

    def written(self, *, wait: bool) -> list[StoredCheckpoint]:
        """The checkpoints that have been written, or that `newest` has found, since the last call."""
        done = [future for future in self._writing if wait or future.done()]
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
        folder = str(PurePosixPath(layout.checkpoint(assignment.trial_id, 0)).parent)
        segment = (assignment.segment, assignment.segment_session)
        wanted = (assignment.trial_id, *segment, assignment.config, assignment.seed)
        damaged: list[str] = []
        files = [
            (path, StoredCheckpoint(file[1], size, found=True))
            for path, size in self._store.sizes(folder)
            if (file := layout.checkpoint_of(path)) is not None
        ]
        self._found = []
        for place, (path, written) in reversed(list(enumerate(files))):
            try:
                checkpoint = self.read(path)
                lineage = checkpoint.header["lineage"]
                # Earlier versions did not record the session of a segment.
                segment = (lineage["segment"], lineage.get("segment_session", 0))
                actual = (lineage["trial_id"], *segment, lineage["config"], lineage["seed"])
            except FileNotFoundError as error:
                damaged.append(str(error))
                continue
            except DamagedFile as error:
                damaged.append(str(error))
                self._found.append(written)
                continue
            except (LookupError, TypeError, ValueError):
                damaged.append(f"{path} does not name its trial.")
                self._found.append(written)
                continue
            if actual == wanted:
                # Older ones are not read: one of another trial among them does no harm.
                self._found += [older for _, older in files[: place + 1]]
                _print_damaged(damaged, f"The older checkpoint {path} is used.")
                return checkpoint
        _print_damaged(damaged, "There is no older checkpoint: the trial starts again from the beginning.")
        return None

    def read(self, path: str) -> Checkpoint:
        """A checkpoint, verified."""
        return unpack(self._store.read(path), path)

    def check(self) -> None:
        """Make sure that the study still belongs to this session; an object store is asked once a second at most.

        Raises:
            Superseded: A later driver session has begun.
        """
        now = time.monotonic()
        if self._session is not None and now - self._checked >= self._check_seconds:
            check_newest(self._store, self._session)
            self._checked = now

    def _write_now(self, trial_id: str, epoch: int, checkpoint: Checkpoint) -> StoredCheckpoint:
        self.check()
        header = {**checkpoint.header, "rows": [row.to_json() for row in checkpoint.header["rows"]]}
        content = pack(Checkpoint(header, checkpoint.arrays))
        return StoredCheckpoint(epoch, self._store.write(layout.checkpoint(trial_id, epoch), content))


def learner_part(checkpoint: Checkpoint) -> Checkpoint:
    """The learner's part of a trial's checkpoint."""
    header: Any = checkpoint.header["learner"]
    return Checkpoint(header, checkpoint.arrays)


def _print_damaged(damaged: Sequence[str], consequence: str) -> None:
    if damaged:
        print(f"tunepipe: {' '.join(damaged)} {consequence}")
