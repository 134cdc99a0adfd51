"""A study's RayJob on the command line: where it goes; it is planned, created and followed."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pipeline.cli.cluster_options import already_running
from pipeline.cli.console import note, print_object
from pipeline.cli.rayjobs import print_copied, print_how_to_follow, print_until_end
from pipeline.errors import ClusterError, Fault, Interrupted, InvalidJob, UserError
from pipeline.wording import rough_duration

if TYPE_CHECKING:
    from pipeline.cluster.following import NeverStarts
    from pipeline.cluster.kubernetes_cluster import Kubernetes
    from pipeline.cluster.rayjob import Manifests
    from pipeline.cluster.submission import Submitted
    from pipeline.study import TuneJob


_CLASS = "[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?"
_NAMESPACE = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


@dataclass(frozen=True, slots=True)
class Target:
    """The namespace, image and overlay of a RayJob."""

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
    """Create a study's RayJob, or find it, and follow it."""
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
    _note_sources(manifests)
    if dry_run:
        _print_manifests(manifests, as_json=as_json)
        return 0
    from pipeline.cluster.following import NeverStarts
    from pipeline.cluster.kubernetes_cluster import Kubernetes
    from pipeline.cluster.submission import apply_rayjob

    metadata = manifests.job["metadata"]
    server = Kubernetes(target.context, metadata["namespace"])
    began = datetime.now(UTC)
    submitted = apply_rayjob(server, metadata["labels"][STUDY_LABEL], storage, manifests_of)
    name = submitted.name
    if submitted.attached:
        note(already_running(tuned.name, f"RayJob {name}", submitted))
    else:
        note(f"The study {tuned.name!r} was submitted as RayJob {name} in namespace {metadata['namespace']}.")
    result = {"submission": name, "study": tuned.name, "storage": storage, "namespace": metadata["namespace"]}
    if detach:
        print_how_to_follow(name, server.options)
        if not submitted.attached:
            note(_unstarted(manifests.job, name, server.options))
            note(_remains(manifests.job))
        if as_json:
            print_object({**result, "exit_code": None})
        return 0
    created = (submitted.started or began).isoformat()
    rayjob = {**manifests.job, "metadata": {**metadata, "name": name, "creationTimestamp": created}}
    try:
        code, folder = _follow(server, rayjob, tuned.name, storage, target, to_stderr=as_json)
        if folder is not None:
            print_copied(folder)
        if as_json:
            print_object({**result, "exit_code": code})
        return code
    except NeverStarts as error:
        raise _delete_unstartable(server, submitted, error) from None
    except KeyboardInterrupt:
        note("")
        print_how_to_follow(name, server.options)
        return Interrupted.exit_code


def _note_sources(manifests: "Manifests") -> None:
    """Note which files are uploaded with the job, and which the image must have."""
    sources = manifests.sources
    if len(sources.files) + len(sources.data) > 1:
        note(f"Uploaded with the job: {sources}.")
    if sources.uncopied:
        note(f"Not among the job's files: {'; '.join(sources.uncopied)}. Put these into the image.")


def _print_manifests(manifests: "Manifests", *, as_json: bool) -> None:
    """Print manifests as YAML, or as one JSON object."""
    objects = [each for each in (manifests.file, manifests.job) if each]
    together = {"apiVersion": "v1", "kind": "List", "items": objects}
    typer.echo(json.dumps(together) if as_json else str(manifests), nl=as_json)


def _follow(
    server: "Kubernetes", job: Mapping[str, Any], study: str, storage: str, target: Target, *, to_stderr: bool
) -> tuple[int, Path | None]:
    """Print a RayJob's output until its end, and copy the study's results."""
    from pipeline.cluster.deleted_rayjob import check_finished
    from pipeline.cluster.following import NeverStarts

    name = job["metadata"]["name"]
    code = folder = None
    try:
        code = print_until_end(server, name, target.wait_pods, to_stderr=to_stderr)
        # A mistake of the user left nothing new; often there is no study at all.
        if code != UserError.exit_code:
            folder = server.download_results(server.job(name), study, storage, target.to)
    except NeverStarts:
        raise
    except ClusterError:
        # With a RayJob, the pods are deleted from which its end is read and by which results are copied.
        if server.exists(name):
            raise
        if code is None:
            return 0, check_finished(server, job, study, storage, target.to)
        folder = server.download_results(job, study, storage, target.to)
    return code, folder


def _delete_unstartable(server: "Kubernetes", submitted: "Submitted", error: "NeverStarts") -> ClusterError:
    """Delete a RayJob that cannot start, unless another call has created it; the error that says so."""
    from pipeline.cluster.waiting_time import kept

    try:
        if submitted.attached:
            return ClusterError(f"{error} {kept(server.job(submitted.name), server.options)}")
        server.stop(submitted.name)
    except ClusterError as left:
        return ClusterError(f"{error} {left}")
    return ClusterError(f"{error} The RayJob {submitted.name} was deleted.")


def _unstarted(job: Mapping[str, Any], name: str, where: str) -> str:
    """How long a RayJob that is not followed waits if it cannot start, and what shows and ends that, as sentences."""
    from pipeline.cluster.waiting_time import waiting_time

    ended = f"`tunepipe status {name} {where}` prints what it waits for, and `tunepipe stop {name} {where}` ends it."
    return f"If it cannot start, it waits {waiting_time(job)}: {ended}"


def _remains(job: Mapping[str, Any]) -> str:
    """What is left of a RayJob that is not followed, and until when, as a sentence."""
    seconds = job["spec"].get("ttlSecondsAfterFinished", 0)
    when = f"{rough_duration(seconds)} after" if seconds else "at"
    return (
        f"Its Ray cluster is deleted {when} the study's end; the RayJob with its Job and ConfigMap stays until "
        "`tunepipe stop` deletes it, or a later `tunepipe submit`: of this study after 10 minutes, of another one "
        "after a week."
    )
