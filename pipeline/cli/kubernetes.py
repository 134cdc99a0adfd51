"""`tunepipe submit --kubernetes`: plans, creates and follows a RayJob; and `stop --kubernetes`."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli.console import note, say_object, say_output
from pipeline.errors import ClusterError, Fault, InvalidJob, UserError

if TYPE_CHECKING:
    from pipeline.cluster.jobs_api import Submission
    from pipeline.cluster.rayjob import Manifests
    from pipeline.study import TuneJob

__all__ = ["Target", "stop_rayjob", "submissions_of", "submit_rayjob"]

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
    priority: str | None = None

    def __post_init__(self) -> None:
        faults = []
        if self.namespace is not None and not re.fullmatch(_NAMESPACE, self.namespace):
            allowed = "must be lower-case letters, digits and '-', at most 63 of them"
            faults.append(Fault("--namespace", self.namespace, allowed))
        if self.image is not None and not re.fullmatch(r"[^\s]+", self.image):
            faults.append(Fault("--image", self.image, "must be an image's name, as in tunepipe:cpu"))
        if not (math.isfinite(self.wait_pods) and self.wait_pods >= 0):
            faults.append(Fault("--wait-pods", self.wait_pods, "must be a number of seconds, 0 or more"))
        if self.priority is not None and not re.fullmatch(_CLASS, self.priority):
            allowed = "must be the name of a WorkloadPriorityClass, as in tunepipe-low"
            faults.append(Fault("--priority", self.priority, allowed))
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
    from pipeline.cluster.rayjob import STUDY_LABEL, study_manifests

    def manifests_of(number: int) -> "Manifests":
        return study_manifests(
            tuned, job, target.overlay, storage, options,
            number=number, namespace=target.namespace, image=target.image, priority=target.priority,
        )  # fmt: skip

    manifests = manifests_of(1)
    note(str(manifests.plan))
    if dry_run:
        objects = [each for each in (manifests.file, manifests.job) if each]
        typer.echo(json.dumps(objects) if as_json else str(manifests), nl=as_json)
        return 0
    from pipeline.cluster.following import NeverStarts, follow
    from pipeline.cluster.kubernetes_cluster import Kubernetes
    from pipeline.cluster.submission import apply_rayjob

    metadata = manifests.job["metadata"]
    server = Kubernetes(target.context, metadata["namespace"])
    submitted = apply_rayjob(server, metadata["labels"][STUDY_LABEL], storage, manifests_of)
    name = submitted.name
    if submitted.attached:
        note(f"The study {tuned.name!r} is already running as RayJob {name}, with the options of that run.")
    else:
        note(f"The study {tuned.name!r} was submitted as RayJob {name} in namespace {metadata['namespace']}.")
    result = {"submission": name, "study": tuned.name, "storage": storage, "namespace": metadata["namespace"]}
    if detach:
        if as_json:
            say_object({**result, "exit_code": None})
        return 0
    try:
        for text in follow(server, name, wait_pods=target.wait_pods):
            say_output(text, err=as_json)
        code = server.exit_code(name)
        # A mistake of the user left nothing new; often there is no study at all.
        folder = None if code == UserError.exit_code else server.download_results(name, tuned.name, storage, target.to)
        if folder is not None:
            note(f"The study without its checkpoints was copied to {folder}.")
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
        note(
            f"\nRayJob {name} continues; the same command follows it again, "
            f"`tunepipe stop {name} --kubernetes --namespace {metadata['namespace']}` stops it."
        )
        return 130


def stop_rayjob(name: str, context: str | None, namespace: str) -> str:
    """Stop and delete a RayJob.

    Args:
        name: The name of the RayJob or of its study.
        context: A context of the kubeconfig; None for the current one.
        namespace: The namespace of the RayJob.

    Returns:
        The RayJob's name.
    """
    from pipeline.cluster.kubernetes_cluster import Kubernetes

    server = Kubernetes(context, namespace)
    rayjob = server.find_job(name)
    server.stop(rayjob)
    return rayjob


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
