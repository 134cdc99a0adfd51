"""Submitting a study to a running Ray cluster or to Kubernetes: the local command, started there."""

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cluster.code_package import package
from pipeline.cluster.driver_environment import DRIVER_ENVIRONMENT
from pipeline.cluster.jobs_api import ENDED, JobsApi, Submission
from pipeline.cluster.rayjob_states import active_job, submitter_of
from pipeline.cluster.storage_name import without_slash
from pipeline.cluster.submitter import submitter
from pipeline.errors import ClusterError, Fault, Interrupted, InvalidJob

if TYPE_CHECKING:
    from pipeline.cluster.kubernetes_cluster import Kubernetes
    from pipeline.cluster.rayjob import Manifests


_TRIES = 5
_MAX_CHARACTERS = 600
"""Characters of the cluster's message that are shown."""

_KEYS = re.compile(r"(?<=://)[^/?]*:[^/?]*@|(?<=[?&])(?:client_secret|sig)=[^&]*")
"""Keys in a URI: KEY:SECRET@bucket of S3; container:KEY@account, client_secret=… and sig=… (of a SAS) of Azure."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A study on a cluster."""

    name: str
    attached: bool
    submitter: str | None = None
    started: datetime | None = None


def shared_storage(storage: str) -> str:
    """Check that a storage means the same on every node, and may be read by everyone who reads a cluster's objects."""
    if _KEYS.search(storage):
        allowed = (
            "must have no keys in it, which the cluster would show to others: give them to the cluster's pods or nodes "
            "in environment variables, or as an identity"
        )
        raise InvalidJob("the command line", [Fault("--storage", _KEYS.sub("…", storage), allowed)])
    if "://" in storage or Path(storage).is_absolute():
        return without_slash(storage)
    allowed = "must be a URI (s3://…, gs://…, abfs://…) or the absolute path of a folder that every node has mounted"
    raise InvalidJob("the command line", [Fault("--storage", storage, allowed)])


def submit(api: JobsApi, job: str, study: str, storage: str, options: Sequence[str], *, project: Path) -> Submitted:
    """Start a study on a Ray cluster, or attach to it."""
    storage, taken = shared_storage(storage), None
    for _ in range(_TRIES):
        known = [each for each in api.submissions() if each.study == study]
        active = [each for each in known if without_slash(each.storage) == storage and each.state not in ENDED]
        if active:
            found = active[-1]
            return Submitted(found.name, attached=True, submitter=found.submitter, started=found.started)
        code = package(project, job)
        name = f"{study}-{_next(each.name for each in known)}"
        if name == taken:
            raise _taken_id(f"submission {name!r} on {api.address}")
        command = ["python", "-m", "pipeline.cli.app", "run", code.job, "--resume", "--storage", storage, *options]
        runtime_env = {"working_dir": api.upload(code.name, code.content), "env_vars": DRIVER_ENVIRONMENT}
        metadata = {"tunepipe_study": study, "tunepipe_storage": storage, "tunepipe_submitter": submitter()}
        if api.submit(name, shlex.join(command), runtime_env, metadata):
            return Submitted(name, attached=False)
        taken = name
    raise _contention(study, api.address)


def apply_rayjob(
    server: "Kubernetes", study: str, storage: str, manifests_of: "Callable[[int], Manifests]"
) -> Submitted:
    """Create a study's RayJob, or attach to it."""
    from pipeline.cluster.ended_rayjobs import delete_ended

    taken = None
    for _ in range(_TRIES):
        # One request for both: two requests would miss a RayJob that is created between them.
        jobs = server.jobs(study)
        if (found := active_job(jobs, storage)) is not None:
            metadata = found["metadata"]
            if "deletionTimestamp" in metadata:
                raise ClusterError(
                    f"The RayJob {metadata['name']!r} of this study is being deleted, and its driver may still write. "
                    "Submit again when it is gone: `tunepipe status --kubernetes` lists it until then."
                )
            started = datetime.fromisoformat(metadata["creationTimestamp"])
            return Submitted(metadata["name"], attached=True, submitter=submitter_of(found), started=started)
        manifests = manifests_of(_next(each["metadata"]["name"] for each in jobs))
        name = str(manifests.job["metadata"]["name"])
        if name == taken:
            raise _taken_id(f"RayJob {name!r}")
        if server.apply(manifests):
            delete_ended(server, study, storage)
            return Submitted(name, attached=False)
        taken = name
    raise _contention(study, "Kubernetes")


def exit_code(ended: Submission) -> int:
    """The exit code of the study's `tunepipe run`."""
    if ended.state == "STOPPED":
        return Interrupted.exit_code
    if ended.exit_code is not None:
        return ended.exit_code
    if ended.state == "SUCCEEDED":
        return 0
    raise ClusterError(
        f"The submission {ended.name!r} ended before its study did: "
        f"{' '.join(ended.message.split())[:_MAX_CHARACTERS]} All records are kept: `tunepipe submit` with the same "
        "storage resumes the study."
    )


def _taken_id(what: str) -> ClusterError:
    return ClusterError(
        f"There is already a {what}, which tunepipe did not create. Delete it, or choose another --name for the study."
    )


def _contention(study: str, where: str) -> ClusterError:
    return ClusterError(
        f"Other users repeatedly submit the study {study!r} to {where} at the same time. Try again later."
    )


def _next(names: Iterable[str]) -> int:
    numbers = (name.rpartition("-")[2] for name in names)
    return max((int(number) for number in numbers if number.isdigit()), default=0) + 1
