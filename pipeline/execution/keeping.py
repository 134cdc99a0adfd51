"""A trial's checkpoints, as its worker keeps them: written beside training, found again by whoever goes on.

A checkpoint holds the learner's state, the trial's lineage, and every row of its segment: the driver may die before it
has written them.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from pipeline.course.messages import Assignment, EpochRow
from pipeline.errors import DamagedFile
from pipeline.execution.sessions import check_newest
from pipeline.storage import Checkpoint, Store, pack, unpack
from pipeline.study import layout

__all__ = ["Keeper", "Written", "learner_part"]


@dataclass(frozen=True, slots=True)
class Written:
    """A checkpoint that lies in the storage.

    Args:
        epoch: The trial's own epoch.
        seconds: How long it took to write.
        bytes: The file's size.
    """

    epoch: int
    bytes: int


class Keeper:
    """Writes checkpoints in a thread of its own, one after the other: training goes on meanwhile.

    Args:
        store: The study's folder.
        session: The driver session on whose behalf; None where there is none, and nothing is written.
    """

    def __init__(self, store: Store, session: int | None) -> None:
        self._store, self._session = store, session
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._writing: list[Future[Written]] = []

    def snapshot(
        self,
        assignment: Assignment,
        state: Checkpoint,
        *,
        epoch: int,
        best: float | None,
        ended: bool,
        rows: Sequence[EpochRow],
    ) -> Checkpoint:
        """A learner's state with what its trial needs beside it.

        Args:
            assignment: The trial.
            state: What the learner saved; it must not change any more.
            epoch: The trial's own epoch.
            best: The best value so far.
            ended: Whether its training ended by itself with that epoch: a callback's word, which no state repeats.
            rows: The epochs of this segment.
        """
        header = {
            "lineage": {
                "trial_id": assignment.trial_id,
                "epoch": epoch,
                "segment": assignment.segment,
                "config": assignment.config,
                "seed": assignment.seed,
            },
            "best": best,
            "ended": ended,
            "rows": [asdict(row) for row in rows],
            "learner": state.header,
        }
        return Checkpoint(header, state.arrays)

    def write(self, trial_id: str, epoch: int, checkpoint: Checkpoint) -> None:
        """Begin to write a checkpoint."""
        self._writing.append(self._thread.submit(self._written, trial_id, epoch, checkpoint))

    def written(self, *, wait: bool) -> list[Written]:
        """What has been written since the last call.

        Args:
            wait: Until everything is.

        Raises:
            StorageError: The storage cannot be written.
            Superseded: A later driver session has begun: what is written is its workers' now.
        """
        done = [future for future in self._writing if wait or future.done()]
        self._writing = [future for future in self._writing if future not in done]
        return [future.result() for future in done]

    def newest(self, assignment: Assignment) -> Checkpoint | None:
        """The newest whole checkpoint of a trial under its config of now; a damaged one is passed over.

        One of another config or seed is, too: a driver that was killed may have drawn another trial of that number.
        """
        folder = str(PurePosixPath(layout.checkpoint(assignment.trial_id, 0)).parent)
        wanted = (assignment.trial_id, assignment.segment, assignment.config, assignment.seed)
        for path in reversed(self._store.files(folder)):
            try:
                checkpoint = self.read(path)
                lineage = checkpoint.header["lineage"]
                found = (lineage["trial_id"], lineage["segment"], lineage["config"], lineage["seed"])
            except (DamagedFile, FileNotFoundError) as error:
                print(f"tunepipe: {error} An older checkpoint is used.")
                continue
            except (LookupError, TypeError, ValueError):
                print(f"tunepipe: {path} says nothing of its trial. An older checkpoint is used.")
                continue
            if found == wanted:
                return checkpoint
        return None

    def read(self, path: str) -> Checkpoint:
        """A checkpoint, verified.

        Raises:
            DamagedFile: It is not whole.
            FileNotFoundError: There is none.
        """
        return unpack(self._store.read(path), path)

    def check(self) -> None:
        """Make sure that the study is still that of this session.

        Raises:
            Superseded: A later driver session has begun.
        """
        if self._session is not None:
            check_newest(self._store, self._session)

    def _written(self, trial_id: str, epoch: int, checkpoint: Checkpoint) -> Written:
        self.check()
        return Written(epoch, self._store.write(layout.checkpoint(trial_id, epoch), pack(checkpoint)))


def learner_part(checkpoint: Checkpoint) -> Checkpoint:
    """What the learner saved, out of a trial's checkpoint."""
    header: Any = checkpoint.header["learner"]
    return Checkpoint(header, checkpoint.arrays)
