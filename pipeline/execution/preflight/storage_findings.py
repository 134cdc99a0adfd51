"""Whether the storage can hold a study: files can be written, the name is free, its checkpoints fit."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import StorageError, UserError
from pipeline.execution.driver.resume_checks import abandoned, last_session
from pipeline.execution.driver.resumed_job import reconciled
from pipeline.execution.preflight.finding import Finding
from pipeline.storage import Store
from pipeline.study import TuneJob, layout
from pipeline.study.contents import refuse_links
from pipeline.wording import size

_WARNED_SHARE = 0.5
"""The share of the free space from which checkpoints are a warning."""


@contextmanager
def probe_folder(storage: Store) -> Iterator[Store]:
    """A temporary folder in the storage, deleted at the end with the folders above it that were missing before."""
    missing = []
    if storage.local is not None:
        # Path.exists raises where it may not look, and for a name that is too long.
        missing = [folder for folder in (storage.local, *storage.local.parents) if not os.path.exists(folder)]  # noqa: PTH110
    probe = storage.folder(f".tunepipe-check-{uuid.uuid4().hex[:8]}")
    try:
        yield probe
    finally:
        with suppress(StorageError):
            for path in probe.files():
                probe.delete(path)
            probe.delete_empty_folders()
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()


def storage_finding(probe: Store, storage: str) -> Finding:
    """Whether files can be written, replaced, read back and deleted."""
    try:
        probe.write("probe", b"first")
        probe.write("probe", b"second")
        if probe.read("probe") != b"second":
            raise StorageError(
                f"{probe.uri}/probe does not have the content that was written last. Choose another --storage."
            )
        probe.delete("probe")
    except (StorageError, FileNotFoundError) as error:
        return Finding("storage", "error", str(error))
    return Finding("storage", "ok", f"{storage}: a file was written, replaced, read back and deleted")


def study_finding(
    job: TuneJob, storage: Store, *, resume: bool, accept_changes: bool, note: Callable[[str], None]
) -> Finding:
    """Whether `tunepipe run` would begin the study, or resume it."""
    try:
        store = storage.folder(job.name)
        if not resume and abandoned(store, note):
            return Finding("study", "ok", f"{job.name!r} has no epoch yet, and a new study replaces it")
        if not resume and store.exists(layout.STUDY):
            refuse_links(store)
            advice = "--resume continues it; --name starts another."
            return Finding("study", "warning", f"{job.name!r} exists already", advice)
        saved, last = last_session(store, job, resume=resume, note=note)
        if saved is None:
            return Finding("study", "ok", f"{job.name!r} is new")
        reconciled(job, saved, store=store, accept_changes=accept_changes, last=last)
    except UserError as error:
        return Finding("study", "error", str(error))
    if last is not None and last["state"] == "finished" and saved.budget == job.budget:
        advice = "A larger budget continues it; --name starts another."
        return Finding("study", "warning", f"{job.name!r} is finished: no trial would train", advice)
    state = "no session yet" if last is None else f"session {last['number']}, {last['state']}"
    return Finding("study", "ok", f"{job.name!r} exists ({state}) and would continue")


def kept_bytes(job: TuneJob, *, trials: int, workers: int, checkpoint: int) -> int:
    """The maximum bytes of a study's checkpoints: each trial keeps its newest and its best, a live trial one more."""
    # If the scheduler pauses trials, all of them stay live, and checkpoints of live trials are kept.
    alive = trials if job.scheduler.pauses else min(trials, max(workers, 1))
    top, gigabytes = job.checkpoints.top, job.checkpoints.gigabytes
    most = checkpoint * (2 * (trials if top is None else min(trials, top + alive)) + alive)
    if gigabytes is None:
        return most
    return min(most, max(int(gigabytes * 1e9), 3 * checkpoint * alive))


def free_bytes(storage: Store) -> int | None:
    """The free bytes of the storage; None for an object store."""
    if storage.local is None:
        return None
    there = next(folder for folder in (storage.local, *storage.local.parents) if folder.is_dir())
    status = os.statvfs(Path(there))
    return status.f_bavail * status.f_frsize


def space_finding(needed: int, checkpoint: int, free: int | None) -> Finding:
    """Whether the checkpoints fit."""
    sentence = f"a checkpoint has {size(checkpoint)}, all kept checkpoints have at most {size(needed)}"
    if free is None:
        return Finding("disk", "ok", f"{sentence}; an object store does not report its free space")
    sentence = f"{sentence}; {size(free)} are free"
    advice = "Keep fewer with --set checkpoints.top=N or checkpoints.gigabytes=X, or choose another --storage."
    if needed > free:
        return Finding("disk", "error", sentence, advice)
    if needed > _WARNED_SHARE * free:
        return Finding("disk", "warning", sentence, advice)
    return Finding("disk", "ok", sentence)
