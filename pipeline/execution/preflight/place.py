"""Whether a study can lie where it is to lie: the storage, the study's name, the space for its checkpoints."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import StorageError, UserError
from pipeline.execution.preflight.finding import Finding
from pipeline.execution.preflight.judging import size
from pipeline.execution.resuming import last_session, reconciled
from pipeline.storage import Store
from pipeline.study import TuneJob

__all__ = ["free_bytes", "kept_bytes", "probed", "space_finding", "storage_finding", "study_finding"]

_MUCH = 0.5


@contextmanager
def probed(storage: Store) -> Iterator[Store]:
    """A folder of its own in the storage, gone in the end, with the folders above it that were not there before.

    Args:
        storage: Where studies lie.
    """
    made = []
    if storage.local is not None:
        made = [folder for folder in (storage.local, *storage.local.parents) if not folder.exists()]
    probe = storage.folder(f".tunepipe-check-{uuid.uuid4().hex[:8]}")
    try:
        yield probe
    finally:
        with suppress(StorageError):
            probe.delete_folder()
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def storage_finding(probe: Store, storage: str) -> Finding:
    """Whether files can be written, replaced, read back and deleted.

    Args:
        probe: A folder that nobody else uses.
        storage: What a person calls the storage.
    """
    try:
        probe.write("probe", b"first")
        probe.write("probe", b"second")
        if probe.read("probe") != b"second":
            raise StorageError(f"{probe.uri}/probe does not hold what was written last. Choose another --storage.")
        probe.delete("probe")
    except (StorageError, FileNotFoundError) as error:
        return Finding("storage", "fault", str(error))
    return Finding("storage", "ok", f"{storage}: a file was written, replaced, read back and deleted")


def study_finding(
    job: TuneJob, storage: Store, *, resume: bool, accept_changes: bool, note: Callable[[str], None]
) -> Finding:
    """Whether `tunepipe run` would begin the study, or go on with it.

    Args:
        job: The study's job.
        storage: Where studies lie.
        resume: Whether it is to be resumed.
        accept_changes: Although its code, data or domains have changed.
        note: Is told that there is something to wait for.
    """
    try:
        found = last_session(storage.folder(job.name), job, resume=resume, note=note)
        if found is None:
            return Finding("study", "ok", f"{job.name!r} is new")
        saved, last = found
        reconciled(job, saved, accept_changes=accept_changes)
    except UserError as error:
        return Finding("study", "fault", str(error))
    if last is not None and last["state"] == "finished" and saved.budget == job.budget:
        advice = "A larger budget goes on with it; --name starts another."
        return Finding("study", "warning", f"{job.name!r} is finished, and nothing would be trained", advice)
    state = "no session yet" if last is None else f"session {last['number']}, {last['state']}"
    return Finding("study", "ok", f"{job.name!r} is there ({state}) and would go on")


def kept_bytes(job: TuneJob, *, trials: int, workers: int, checkpoint: int) -> int:
    """What the checkpoints of a study may fill at most: each trial keeps its newest and its best, a live one one more.

    Args:
        job: The study's job.
        trials: How many trials it has.
        workers: How many train at once.
        checkpoint: Bytes of one.
    """
    # Where trials are paused at milestones all of them stay alive; and what is alive is never deleted.
    alive = trials if job.scheduler.pauses else min(trials, max(workers, 1))
    top, gigabytes = job.checkpoints.top, job.checkpoints.gigabytes
    most = checkpoint * (2 * (trials if top is None else min(trials, top + alive)) + alive)
    if gigabytes is None:
        return most
    return min(most, max(int(gigabytes * 1e9), 3 * checkpoint * alive))


def free_bytes(storage: Store) -> int | None:
    """Free bytes of the storage; None for an object store, which does not tell."""
    if storage.local is None:
        return None
    there = next(folder for folder in (storage.local, *storage.local.parents) if folder.is_dir())
    told = os.statvfs(Path(there))
    return told.f_bavail * told.f_frsize


def space_finding(needed: int, checkpoint: int, free: int | None) -> Finding:
    """Whether the checkpoints fit.

    Args:
        needed: What they may fill at most.
        checkpoint: Bytes of one.
        free: Free bytes of the storage; None where it does not tell.
    """
    found = f"a checkpoint has {size(checkpoint)}, all that may be kept {size(needed)} at most"
    if free is None:
        return Finding("space", "ok", f"{found}; an object store does not tell what is free")
    found = f"{found}; {size(free)} are free"
    advice = "Keep fewer with --set checkpoints.top=N or checkpoints.gigabytes=X, or choose another --storage."
    if needed > free:
        return Finding("space", "fault", found, advice)
    if needed > _MUCH * free:
        return Finding("space", "warning", found, advice)
    return Finding("space", "ok", found)
