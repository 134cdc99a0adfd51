"""A study handed to a running Ray cluster, or to Kubernetes: the laptop's command, started there."""

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cluster.jobs_api import ENDED, JobsApi, Submission
from pipeline.cluster.package import package
from pipeline.cluster.states import at_work
from pipeline.errors import ClusterError, Fault, InvalidJob

if TYPE_CHECKING:
    from pipeline.cluster.following import Kubernetes
    from pipeline.cluster.rayjob import Manifests

__all__ = ["DRIVER_ENVIRONMENT", "STOP_SECONDS", "Handed", "apply_rayjob", "everywhere", "exit_code", "submit"]

STOP_SECONDS = 30
"""What a driver gets to end by itself when it is stopped: an epoch comes to its end, a checkpoint is written."""

DRIVER_ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}
"""What a driver on a cluster is started with."""

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Handed:
    """A study on a cluster.

    Args:
        name: The submission.
        attached: Whether it was there already.
    """

    name: str
    attached: bool


def everywhere(storage: str) -> str:
    """A storage that means the same on every node.

    Raises:
        InvalidJob: It is a folder relative to the one in which the command is called.
    """
    if "://" in storage or Path(storage).is_absolute():
        return storage
    allowed = "must be a URI (s3://…, gs://…, abfs://…) or the absolute path of a folder that every node has mounted"
    raise InvalidJob("the command line", [Fault("--storage", storage, allowed)])


def submit(api: JobsApi, job: str, study: str, storage: str, options: Sequence[str], *, project: Path) -> Handed:
    """Start a study on a cluster, or find it there.

    Args:
        api: The cluster.
        job: A job's name, or the path of a Python file.
        study: The study's name.
        storage: Where it lies, for every node.
        options: More options of `tunepipe run`.
        project: The folder whose code goes along.

    Raises:
        ClusterError: The cluster refuses, or the code is too large.
    """
    storage = everywhere(storage)
    for _ in range(_TRIES):
        known = [each for each in api.submissions() if each.study == study]
        going = [each for each in known if each.storage == storage and each.state not in ENDED]
        if going:
            return Handed(going[-1].name, attached=True)
        code = package(project, job)
        name = f"{study}-{_next(each.name for each in known)}"
        command = ["python", "-m", "pipeline.cli.app", "run", code.job, "--resume", "--storage", storage, *options]
        runtime_env = {"working_dir": api.upload(code.name, code.content), "env_vars": DRIVER_ENVIRONMENT}
        metadata = {"tunepipe_study": study, "tunepipe_storage": storage}
        if api.submit(name, shlex.join(command), runtime_env, metadata):
            return Handed(name, attached=False)
    raise _crowded(study, api.address)


def apply_rayjob(server: "Kubernetes", study: str, storage: str, made: "Callable[[int], Manifests]") -> Handed:
    """Apply a study's RayJob, or find it there.

    Args:
        server: The namespace.
        study: The study, as the label of its RayJobs has it.
        storage: Where it lies.
        made: The study's manifests, by the number of its RayJob.

    Raises:
        ClusterError: The server refuses.
    """
    taken = None
    for _ in range(_TRIES):
        # One look for both: whoever comes between two of them would be neither attached to nor in the way.
        jobs = server.jobs(study)
        if (going := at_work(jobs, storage)) is not None:
            return Handed(going, attached=True)
        manifests = made(_next(each["metadata"]["name"] for each in jobs))
        name = str(manifests.job["metadata"]["name"])
        if name == taken:
            raise ClusterError(
                f"There is a RayJob {name!r} already, which is no study's of tunepipe. Delete it, or give the study "
                "another --name."
            )
        if server.apply(manifests):
            return Handed(name, attached=False)
        taken = name
    raise _crowded(study, "Kubernetes")


def exit_code(ended: Submission) -> int:
    """How the study ended, as `tunepipe run` says it.

    Raises:
        ClusterError: The driver did not end by itself: the cluster lost it, or could not start it.
    """
    if ended.state == "STOPPED":
        return 130
    if ended.exit_code is not None:
        return ended.exit_code
    if ended.state == "SUCCEEDED":
        return 0
    raise ClusterError(
        f"The submission {ended.name!r} ended before its study did: {' '.join(ended.message.split())[:600]} Nothing "
        "that was recorded is lost: `tunepipe submit` with the same storage goes on."
    )


def _crowded(study: str, where: str) -> ClusterError:
    return ClusterError(f"Others submit the study {study!r} to {where} at the same time, again and again; try later.")


def _next(names: Iterable[str]) -> int:
    numbers = (name.rpartition("-")[2] for name in names)
    return max((int(number) for number in numbers if number.isdigit()), default=0) + 1
