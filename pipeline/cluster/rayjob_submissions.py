"""RayJobs of a namespace: found by their names or those of their studies, and as submissions that say why they wait."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline.cluster.ended_rayjobs import read_exit_code
from pipeline.cluster.exit_codes import ended_state
from pipeline.cluster.jobs_api import Submission
from pipeline.cluster.kubernetes_cluster import Kubernetes
from pipeline.cluster.operator_diagnostics import absent_operator, lost_head, unreachable_head
from pipeline.cluster.pod_diagnostics import diagnose, is_running_worker
from pipeline.cluster.rayjob import study_label
from pipeline.cluster.rayjob_states import STUDY_LABEL, has_ended, state, storage_of, study_of, submitter_of
from pipeline.cluster.storage_name import without_slash
from pipeline.cluster.submission_names import matching, only, running_or_newest
from pipeline.cluster.waiting_time import kept
from pipeline.errors import ClusterError, EndUnknown, JobNotFound


def rayjob_submissions(server: Kubernetes, name: str | None = None) -> Sequence[Submission]:
    """The RayJobs of studies in a namespace, the oldest first."""
    jobs = server.jobs() if name is None else _meant(server, name)
    # Once for all RayJobs: a namespace may have thousands of events.
    warnings = () if all(map(has_ended, jobs)) else server.warnings()
    return [_submission(server, each, warnings) for each in jobs]


def find_rayjob(server: Kubernetes, name: str, storage: str | None = None) -> dict[str, Any]:
    """The RayJob of a name; or else that of the study of that name: the one that has not ended, else the newest."""
    return only(name, _meant(server, name, storage), name_of=_name, storage_of=storage_of, what="RayJobs")


def _meant(server: Kubernetes, name: str, storage: str | None = None) -> Sequence[dict[str, Any]]:
    """The RayJob of a name, or those of the studies of that name that have not ended, else the newest one."""
    jobs, label = server.jobs(), study_label(name)
    storage = None if storage is None else without_slash(storage)
    matches = matching(
        name,
        jobs,
        name_of=_name,
        study_of=study_of,
        is_of_study=lambda each: each["metadata"]["labels"][STUDY_LABEL] == label,
    )
    if found := [each for each in matches if storage in (None, storage_of(each))]:
        return running_or_newest(found, has_ended=has_ended)
    if matches:
        others = ", ".join(sorted({storage_of(each) or "an unknown storage" for each in matches}))
        raise JobNotFound(
            f"No RayJob of {name!r} in namespace {server.namespace!r} has its study in {storage}; found it in {others}."
        )
    existing = f"Available: {', '.join(each['metadata']['name'] for each in jobs)}" if jobs else "There are none"
    raise JobNotFound(
        f"No RayJob in namespace {server.namespace!r} has the name {name!r} or a study of that name. {existing}. "
        "Ended ones are deleted after a while: `tunepipe submit` with the same storage resumes the study. --namespace "
        "and --context choose another namespace or cluster."
    )


def _name(job: Mapping[str, Any]) -> str:
    return str(job["metadata"]["name"])


def waiting_reason(server: Kubernetes, job: Mapping[str, Any], warnings: Sequence[Any] | None = None) -> str | None:
    """Why a RayJob waits, cannot start or does not end, as a clause or sentences; None if no reason is known."""
    metadata = job["metadata"]
    age = datetime.now(UTC) - datetime.fromisoformat(metadata["creationTimestamp"])
    reason = absent_operator(job, age.total_seconds()) or server.queued(job)
    if reason is None:
        pods = server.pods(metadata["name"], job)
        found = diagnose(job, pods, server.warnings() if warnings is None else warnings)
        unreachable = unreachable_head(job, pods, datetime.now(UTC))
        # While a worker trains, the study does not wait, and is not to be deleted.
        fatal, waits = found.fatal, found.waits[0] if found.waits else None
        if not any(map(is_running_worker, pods)):
            until = kept(job, server.options)
            fatal, waits = fatal and f"{fatal} {until}", waits and f"{waits}. {until}"
        reason = fatal or unreachable or _without_head(server, job, pods) or waits
        reason = reason or (found.evicted[-1] if found.evicted else None)
    return reason


def _without_head(server: Kubernetes, job: Mapping[str, Any], pods: Sequence[Any]) -> str | None:
    """What follows from the loss of a running study's head; None if it has one, or has ended meanwhile."""
    if lost_head(job, pods) is None:
        return None
    # The cluster of a study that has just ended may be deleted between two requests.
    again = [each for each in server.jobs() if _name(each) == _name(job)]
    return lost_head(again[0], pods) if again else None


def _submission(server: Kubernetes, job: Mapping[str, Any], warnings: Sequence[Any]) -> Submission:
    metadata = job["metadata"]
    code, shown, unknown = None, state(job).upper() or "PENDING", None
    if has_ended(job):
        # One that failed before its command ended has no code.
        try:
            code = read_exit_code(server, metadata["name"])
        except EndUnknown as error:
            unknown = str(error)
        except ClusterError:
            pass
        if state(job) == "Complete":
            shown = ended_state(code)
    return Submission(
        name=metadata["name"],
        study=study_of(job),
        storage=storage_of(job) or "",
        state=shown,
        message=unknown or _message(server, job, warnings),
        exit_code=code,
        started=datetime.fromisoformat(metadata["creationTimestamp"]),
        submitter=submitter_of(job),
    )


def _message(server: Kubernetes, job: Mapping[str, Any], warnings: Sequence[Any]) -> str:
    """Why a RayJob waits; otherwise the operator's message, which is often empty."""
    if has_ended(job):
        said = " ".join(str((job.get("status") or {}).get("message") or "").split())
        return " ".join(filter(None, (unreachable_head(job, (), datetime.now(UTC)), said)))
    return waiting_reason(server, job, warnings) or ""
