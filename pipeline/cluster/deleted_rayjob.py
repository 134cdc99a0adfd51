"""The end of a study whose RayJob was deleted while it was followed: by its operator at its end, or by a user."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.cluster.kubernetes_cluster import Kubernetes
from pipeline.errors import ClusterError, EndUnknown, UserError
from pipeline.results.tables.sessions import read_sessions, state_of
from pipeline.storage import Store

_CLOCKS = timedelta(seconds=30)
"""How far the clocks of two machines may differ."""


def check_finished(server: Kubernetes, job: Mapping[str, Any], study: str, storage: str, to: Path) -> Path | None:
    """Check in its storage that a study has finished whose RayJob no longer exists."""
    metadata = {name: value for name, value in job["metadata"].items() if name != "uid"}
    deleted = (
        f"The RayJob {metadata['name']!r} was deleted before its end could be read: by a user, or by an operator that "
        "deletes ended RayJobs (DELETE_RAYJOB_CR_AFTER_JOB_FINISHES)"
    )
    try:
        # The pod that copies would be deleted with its owner.
        copied = server.download_results({**job, "metadata": metadata}, study, storage, to)
        sessions = read_sessions(Store(storage).folder(study) if copied is None else Store(str(copied)))
    except (UserError, FileNotFoundError) as error:
        raise ClusterError(f"{deleted}. How its study ended cannot be read: {error}") from None
    state = state_of(_since(sessions, metadata.get("creationTimestamp")), datetime.now(UTC))
    if state == "finished":
        return copied
    then = f"`tunepipe submit` with the same storage continues the study {study!r}."
    if state == "failed":
        raise EndUnknown(f"{deleted}. Its study has failed: {str(sessions[-1]['message']).rstrip('.')}. {then}")
    had = "has recorded nothing" if state == "waiting" else f"is {state}"
    raise ClusterError(f"{deleted}. Its study {had}. The study's records are kept. {then}")


def _since(sessions: Sequence[Mapping[str, Any]], created: str | None) -> Sequence[Mapping[str, Any]]:
    """The sessions that lived after a RayJob was created: earlier ones say how the study ended before it."""
    if created is None:
        return sessions
    since = datetime.fromisoformat(created) - _CLOCKS
    last = [session.get("heartbeat") or session.get("started") for session in sessions]
    return [
        session
        for session, at in zip(sessions, last, strict=True)
        if at is not None and datetime.fromisoformat(at) >= since
    ]
