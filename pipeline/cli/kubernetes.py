"""`tunepipe submit --kubernetes`: the plan, the RayJob, and what becomes of it; and `stop --kubernetes`."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli.options import note
from pipeline.errors import Fault, InvalidJob
from pipeline.legible import legible_output

if TYPE_CHECKING:
    from pipeline.cluster.rayjob import Manifests
    from pipeline.study import TuneJob

__all__ = ["Target", "stop_rayjob", "submit_rayjob"]

_NAMESPACE = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


@dataclass(frozen=True, slots=True)
class Target:
    """Where in Kubernetes, and as what.

    Args:
        context: Of the kubeconfig; its current one where None.
        namespace: Other than the overlay's.
        image: Other than the overlay's.
        overlay: A name, or a folder.
        wait_pods: Seconds for which pods that find no node are waited for.
        to: The folder that gets results from a volume.

    Raises:
        InvalidJob: A namespace or an image that no server takes, or no number of seconds.
    """

    context: str | None
    namespace: str | None
    image: str | None
    overlay: str
    wait_pods: float
    to: Path

    def __post_init__(self) -> None:
        faults = []
        if self.namespace is not None and not re.fullmatch(_NAMESPACE, self.namespace):
            allowed = "must be lower-case letters, digits and '-', 63 at most, as namespaces are called"
            faults.append(Fault("--namespace", self.namespace, allowed))
        if self.image is not None and not re.fullmatch(r"[^\s]+", self.image):
            faults.append(Fault("--image", self.image, "must be an image's name, as in tunepipe:cpu"))
        if not (math.isfinite(self.wait_pods) and self.wait_pods >= 0):
            faults.append(Fault("--wait-pods", self.wait_pods, "must be a number of seconds, 0 or more"))
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
    """Apply a study's RayJob, or find it there, and follow it.

    Returns:
        The study's exit code.
    """
    from pipeline.cluster.rayjob import STUDY_LABEL, study_manifests

    def made(number: int) -> "Manifests":
        return study_manifests(
            tuned, job, target.overlay, storage, options,
            number=number, namespace=target.namespace, image=target.image,
        )  # fmt: skip

    manifests = made(1)
    note(str(manifests.plan))
    if dry_run:
        objects = [each for each in (manifests.file, manifests.job) if each]
        typer.echo(json.dumps(objects) if as_json else str(manifests), nl=as_json)
        return 0
    from pipeline.cluster.following import Kubernetes
    from pipeline.cluster.submitting import apply_rayjob

    metadata = manifests.job["metadata"]
    server = Kubernetes(target.context, metadata["namespace"])
    handed = apply_rayjob(server, metadata["labels"][STUDY_LABEL], storage, made)
    name = handed.name
    if handed.attached:
        note(f"The study {tuned.name!r} is at work already as RayJob {name}; its options stand.")
    else:
        note(f"The study {tuned.name!r} was submitted as RayJob {name} in namespace {metadata['namespace']}.")
    told = {"submission": name, "study": tuned.name, "storage": storage, "namespace": metadata["namespace"]}
    if detach:
        if as_json:
            typer.echo(json.dumps({**told, "exit_code": None}))
        return 0
    try:
        for text in server.follow(name, wait_pods=target.wait_pods):
            typer.echo(legible_output(text), nl=False, err=as_json)
        code = server.exit_code(name)
        if (brought := server.bring(name, tuned.name, storage, target.to)) is not None:
            note(f"The study without its checkpoints was brought to {brought}.")
        if as_json:
            typer.echo(json.dumps({**told, "exit_code": code}))
        return code
    except KeyboardInterrupt:
        note(
            f"\nRayJob {name} goes on without you; the same command looks at it again, "
            f"`tunepipe stop {name} --kubernetes --namespace {metadata['namespace']}` ends it."
        )
        return 130


def stop_rayjob(named: str, context: str | None, namespace: str) -> str:
    """Stop the RayJob that is called so, or that is at work on a study.

    Returns:
        The RayJob's name.
    """
    from pipeline.cluster.following import Kubernetes

    server = Kubernetes(context, namespace)
    name = server.named(named)
    server.stop(name)
    return name
