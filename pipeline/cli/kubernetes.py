"""RayJobs on the command line: `submit --kubernetes` plans, creates and follows one, others find, follow or read it."""

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pipeline.cli.cluster_options import already_running
from pipeline.cli.console import note, say_object, say_output
from pipeline.errors import ClusterError, Fault, InvalidJob, UserError
from pipeline.wording import rough_duration

if TYPE_CHECKING:
    from pipeline.cluster.jobs_api import Submission
    from pipeline.cluster.kubernetes_cluster import Kubernetes
    from pipeline.cluster.rayjob import Manifests
    from pipeline.study import TuneJob

__all__ = [
    "Target",
    "copied_study",
    "follow_rayjob",
    "rayjob_output",
    "stop_rayjob",
    "submissions_of",
    "submit_rayjob",
]

_CLASS = "[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?"
_NAMESPACE = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


@dataclass(frozen=True, slots=True)
class Target:
    """The namespace, image and overlay of a RayJob.

    Args:
        context: Of the kubeconfig; its current one where None.
        namespace: Other than the overlay's.
        image: Other than the overlay's.
        overlay: A name, or a folder.
        wait_pods: Seconds for which pods that find no node are waited for.
        to: The folder that gets results from a volume.
        queue: A LocalQueue of Kueue, other than the overlay's.
        priority: A WorkloadPriorityClass of Kueue, other than the overlay's.

    Raises:
        InvalidJob: A namespace or an image that no server takes, or no number of seconds.
    """

    context: str | None
    namespace: str | None
    image: str | None
    overlay: str
    wait_pods: float
    to: Path
    queue: str | None = None
    priority: str | None = None

    def __post_init__(self) -> None:
        faults = []
        if self.namespace is not None and not re.fullmatch(_NAMESPACE, self.namespace):
            allowed = "must be lower-case letters, digits and '-', at most 63 of them"
            faults.append(Fault("--namespace", self.namespace, allowed))
        if self.image is not None and not re.fullmatch(r"[^\s]+", self.image):
            faults.append(Fault("--image", self.image, "must be an image's name, as in tunepipe-cpu:0.1.0"))
        if not (math.isfinite(self.wait_pods) and self.wait_pods >= 0):
            faults.append(Fault("--wait-pods", self.wait_pods, "must be a number of seconds, 0 or more"))
        if self.priority is not None and not re.fullmatch(_CLASS, self.priority):
            allowed = "must be the name of a WorkloadPriorityClass, as in tunepipe-low"
            faults.append(Fault("--priority", self.priority, allowed))
        if self.queue is not None and not re.fullmatch(_CLASS, self.queue):
            allowed = "must be the name of a LocalQueue, as in team-a"
            faults.append(Fault("--queue", self.queue, allowed))
        if faults:
            raise InvalidJob("the command line", faults)


def submit_rayjob(
    tuned: "TuneJob",
    job: str,
    storage: str,
    options: Sequence[str],
    target: Target,
    *,
    dry_run: bool,
    detach: bool,
    as_json: bool,
) -> int:
    """Create a study's RayJob, or find it, and follow it.

    Args:
        tuned: The job, with the options of the command line.
        job: The job's name, or the path of a Python file.
        storage: The storage, as the pods see it.
        options: More options of `tunepipe run`.
        target: Where it goes.
        dry_run: Whether to print the manifests only.
        detach: Whether to return at once instead of following it.
        as_json: Whether stdout gets one JSON object.

    Returns:
        The study's exit code.

    Raises:
        ClusterError: It cannot start; where this call has created the RayJob, it is deleted.
    """
    from pipeline.cluster.rayjob import study_manifests
    from pipeline.cluster.rayjob_states import STUDY_LABEL

    def manifests_of(number: int) -> "Manifests":
        return study_manifests(
            tuned, job, target.overlay, storage, options,
            number=number, namespace=target.namespace, image=target.image, queue=target.queue,
            priority=target.priority,
        )  # fmt: skip

    manifests = manifests_of(1)
    note(str(manifests.plan))
    sources = manifests.sources
    if len(sources.files) + len(sources.data) > 1:
        note(f"Files of the job that go along: {sources}.")
    if sources.uncopied:
        note(f"Not among the job's files: {'; '.join(sources.uncopied)}. Put these into the image.")
    if dry_run:
        objects = [each for each in (manifests.file, manifests.job) if each]
        typer.echo(json.dumps(objects) if as_json else str(manifests), nl=as_json)
        return 0
    from pipeline.cluster.following import NeverStarts
    from pipeline.cluster.kubernetes_cluster import Kubernetes
    from pipeline.cluster.submission import apply_rayjob

    metadata = manifests.job["metadata"]
    server = Kubernetes(target.context, metadata["namespace"])
    submitted = apply_rayjob(server, metadata["labels"][STUDY_LABEL], storage, manifests_of)
    name = submitted.name
    if submitted.attached:
        note(already_running(tuned.name, f"RayJob {name}", submitted))
    else:
        note(f"The study {tuned.name!r} was submitted as RayJob {name} in namespace {metadata['namespace']}.")
    result = {"submission": name, "study": tuned.name, "storage": storage, "namespace": metadata["namespace"]}
    if detach:
        _say_continues(name, target.context, server.namespace)
        if not submitted.attached:
            note(_remains(manifests.job))
        if as_json:
            say_object({**result, "exit_code": None})
        return 0
    try:
        code = _followed(server, name, target.wait_pods, to_stderr=as_json)
        # A mistake of the user left nothing new; often there is no study at all.
        folder = None
        if code != UserError.exit_code:
            folder = server.download_results(server.job(name), tuned.name, storage, target.to)
        if folder is not None:
            _say_copied(folder)
        if as_json:
            say_object({**result, "exit_code": code})
        return code
    except NeverStarts as error:
        if submitted.attached:
            raise
        try:
            server.stop(name)
        except ClusterError as left:
            raise ClusterError(f"{error} {left}") from None
        raise ClusterError(f"{error} The RayJob {name} was deleted.") from None
    except KeyboardInterrupt:
        note("")
        _say_continues(name, target.context, server.namespace)
        return 130


def _followed(server: "Kubernetes", name: str, wait_pods: float, *, to_stderr: bool = False) -> int:
    """Print a driver's output until its RayJob has ended; return the study's exit code."""
    from pipeline.cluster.following import follow

    for text in follow(server, name, wait_pods=wait_pods):
        say_output(text, err=to_stderr)
    return server.exit_code(name)


def _say_copied(folder: Path) -> None:
    note(f"The study without its checkpoints was copied to {folder}.")


def _say_continues(name: str, context: str | None, namespace: str) -> None:
    where = "--kubernetes" + (f" --context {shlex.quote(context)}" if context else "") + f" --namespace {namespace}"
    note(
        f"RayJob {name} continues. `tunepipe logs {name} --follow {where}` follows it, "
        f"`tunepipe stop {name} {where}` stops it and deletes what is left of it."
    )


def _remains(job: Mapping[str, Any]) -> str:
    """What is left of a RayJob that is not followed, and until when, as a sentence."""
    seconds = job["spec"].get("ttlSecondsAfterFinished", 0)
    when = f"{rough_duration(seconds)} after" if seconds else "at"
    return (
        f"Its Ray cluster is deleted {when} the study's end; the RayJob with its Job and ConfigMap stays until "
        "`tunepipe stop` deletes it, or a later `tunepipe submit`: of this study after 10 minutes, of another one "
        "after a week."
    )


def follow_rayjob(name: str, context: str | None, namespace: str) -> int:
    """Print the output of a study's driver until its RayJob ends. Ctrl-C stops printing; the study continues.

    Args:
        name: The name of the RayJob or of its study.
        context: A context of the kubeconfig; None for the current one.
        namespace: The namespace of the RayJob.

    Returns:
        The study's exit code.

    Raises:
        ClusterError: It can never start, or no operator starts it.
        JobNotFound: There is no such RayJob.
    """
    from pipeline.cluster.kubernetes_cluster import Kubernetes
    from pipeline.cluster.rayjob_submissions import find_rayjob

    server = Kubernetes(context, namespace)
    rayjob = str(find_rayjob(server, name)["metadata"]["name"])
    try:
        return _followed(server, rayjob, math.inf)
    except KeyboardInterrupt:
        note("")
        _say_continues(rayjob, context, namespace)
        return 130


def rayjob_output(name: str, context: str | None, namespace: str) -> str:
    """What a study's driver has printed so far. If that is nothing, standard error gets the reason.

    Args:
        name: The name of the RayJob or of its study.
        context: A context of the kubeconfig; None for the current one.
        namespace: The namespace of the RayJob.

    Raises:
        ClusterError: The server refuses.
        JobNotFound: There is no such RayJob.
    """
    from pipeline.cluster.following import output
    from pipeline.cluster.kubernetes_cluster import Kubernetes
    from pipeline.cluster.rayjob_states import has_ended, state
    from pipeline.cluster.rayjob_submissions import find_rayjob, waiting_reason

    server = Kubernetes(context, namespace)
    job = find_rayjob(server, name)
    rayjob = str(job["metadata"]["name"])
    if not (printed := output(server, rayjob)):
        why = None if has_ended(job) else waiting_reason(server, job)
        reason = why or state(job) or "it waits for the operator"
        note(f"{rayjob} has printed nothing: {reason.rstrip('.')}.")
    return printed


def copied_study(
    name: str, to: Path, context: str | None, namespace: str, *, storage: str | None, overlay: str | None
) -> tuple[str, str]:
    """A study of a RayJob in a storage that this machine can read; a study on a volume is copied first.

    Args:
        name: The name of the RayJob or of its study.
        to: The folder that gets a study from a volume.
        context: A context of the kubeconfig; None for the current one.
        namespace: The namespace of the RayJob.
        storage: The storage, as the pods see it; None for that of the RayJob.
        overlay: The overlay whose pods mount the storage of a study without a RayJob.

    Returns:
        The storage, and the study's name in it.

    Raises:
        ClusterError: The server refuses, or the study cannot be copied.
        JobNotFound: There is no such RayJob.
    """
    from pipeline.cluster.kubernetes_cluster import Kubernetes
    from pipeline.cluster.study_copy import readable_study

    where, study = readable_study(Kubernetes(context, namespace), name, to, storage=storage, overlay=overlay)
    if where == str(to):
        _say_copied(to / study)
    return where, study


def stop_rayjob(name: str, context: str | None, namespace: str) -> tuple[str, bool]:
    """Stop and delete a RayJob, and wait until its driver has ended.

    Args:
        name: The name of the RayJob or of its study.
        context: A context of the kubeconfig; None for the current one.
        namespace: The namespace of the RayJob.

    Returns:
        The RayJob's name, and whether it had ended before.
    """
    from pipeline.cluster import stop_rayjob
    from pipeline.cluster.kubernetes_cluster import Kubernetes
    from pipeline.cluster.rayjob_states import has_ended

    server = Kubernetes(context, namespace)
    rayjob = server.find_job(name)
    ended = has_ended(server.job(rayjob))
    stop_rayjob.stop_rayjob(server, rayjob)
    return rayjob, ended


def submissions_of(name: str | None, context: str | None, namespace: str) -> "list[Submission]":
    """The RayJobs of studies in a namespace.

    Args:
        name: Only the one of that name, or the newest of a study of that name; None for all.
        context: A context of the kubeconfig; None for the current one.
        namespace: The namespace of the RayJobs.
    """
    from pipeline.cluster.kubernetes_cluster import Kubernetes
    from pipeline.cluster.rayjob_submissions import rayjob_submissions

    return rayjob_submissions(Kubernetes(context, namespace), name)
