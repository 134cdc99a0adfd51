"""A pod that reads a study from a cluster's volume."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from copy import deepcopy
from io import FileIO
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from kubernetes.stream.ws_client import ERROR_CHANNEL
from urllib3.exceptions import HTTPError
from websocket import WebSocketException

from pipeline.cluster.image_pulls import image_problem
from pipeline.cluster.pod_diagnostics import unscheduled_reason
from pipeline.errors import ClusterError, StorageError

_CONTAINER = "reader"
"""The container that reads; a service mesh may add others to its pod."""
_LABELS = {"app.kubernetes.io/name": "tunepipe-reader"}
_NETWORK_LABEL = "app.kubernetes.io/part-of"
"""The label by which network policies let pods of studies reach each other and object stores."""
_POD_SECONDS = 3600
"""The longest time that copying may take. If the connection is lost, the pod ends by itself after that time."""
_NODE_SECONDS = 300.0
"""The longest wait for a node, which may have to be started for the pod."""
_START_SECONDS = 120.0
"""The longest wait for the pod to start on its node."""
_READ_SECONDS = 60.0
SILENT_SECONDS = 300.0
"""A connection that has been silent for this long is lost: one that is cut off without a reset stays open forever."""
POLL_SECONDS = 1.0
_TRIES = 3

_CHANGED = 1
"""The exit code of tar if files changed while it read them."""
_MISSING = "Cannot stat: No such file"
_REMOVED = "removed before we read it"
"""Tar's message about a file that disappeared in the meantime: a running study has merged it into another one."""


@contextlib.contextmanager
def reader_pod(
    core: client.CoreV1Api, rayjob: Mapping[str, Any], volume: Mapping[str, Any], mount: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """A pod that can read a volume and nothing else, deleted after the context."""
    namespace = rayjob["metadata"]["namespace"]
    created: Mapping[str, Any] = core.create_namespaced_pod(namespace, _manifest(rayjob, volume, mount)).to_dict()
    name = created["metadata"]["name"]
    try:
        _wait_for_reader(core, namespace, name)
        yield created
    finally:
        # If this fails, its owner or its own deadline deletes it.
        with contextlib.suppress(ApiException, HTTPError, OSError):
            core.delete_namespaced_pod(name, namespace)


def _manifest(rayjob: Mapping[str, Any], volume: Mapping[str, Any], mount: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of the pod, from the template of the submitter's pod."""
    metadata = rayjob["metadata"]
    if "submitterPodTemplate" not in rayjob["spec"]:
        raise ClusterError(
            f"The RayJob {metadata['name']!r} has no submitterPodTemplate, the template of the pod that copies the "
            "results. The study is on the volume; the component `study` has such a template."
        )
    template = rayjob["spec"]["submitterPodTemplate"]
    spec = deepcopy(template["spec"])
    claim = {**volume["persistentVolumeClaim"], "readOnly": True}
    container = {**spec["containers"][0], "name": _CONTAINER, "command": ["sleep", str(_POD_SECONDS)], "args": []}
    container["volumeMounts"] = [{**mount, "name": "studies", "readOnly": True}]
    # It may use the volumes that are left out.
    spec.pop("initContainers", None)
    spec |= {
        "containers": [container],
        "volumes": [{"name": "studies", "persistentVolumeClaim": claim}],
        "activeDeadlineSeconds": _POD_SECONDS,
        "terminationGracePeriodSeconds": 0,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{metadata['name']}-reader-",
            "namespace": metadata["namespace"],
            "ownerReferences": _owners(rayjob),
            **_labels_and_annotations(template.get("metadata") or {}),
        },
        "spec": spec,
    }


def _wait_for_reader(core: client.CoreV1Api, namespace: str, name: str) -> None:
    """Wait until the container of the pod runs; raise ClusterError if it does not start."""
    began = placed = time.monotonic()
    while not _runs(pod := core.read_namespaced_pod(name, namespace)):
        now, unscheduled = time.monotonic(), unscheduled_reason(pod)
        placed = placed if unscheduled is None else now
        late = now > (placed + _START_SECONDS if unscheduled is None else began + _NODE_SECONDS)
        problem = image_problem(pod, ())
        missing = problem is not None and problem.permanent
        if missing or pod.status.phase in ("Failed", "Succeeded") or late:
            why = (
                (problem and problem.paragraph)
                or unscheduled
                or _last_warning(core, pod)
                or f"it is {pod.status.phase}"
            )
            raise ClusterError(
                f"The pod {name}, which copies the results from the volume, did not start: {why.rstrip('.')}. On "
                "the volume the study is as it was: `tunepipe results STUDY --kubernetes` tries again."
            )
        time.sleep(POLL_SECONDS)


def _labels_and_annotations(metadata: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Labels and annotations: those of the template, which policies of a cluster may require, but not its network."""
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != _NETWORK_LABEL}
    return {"labels": {**labels, **_LABELS}, "annotations": {**(metadata.get("annotations") or {})}}


def _runs(pod: Any) -> bool:
    """Whether the container that reads runs; a pod runs as soon as one of its containers does."""
    states = [each.state for each in pod.status.container_statuses or [] if each.name == _CONTAINER and each.state]
    return bool(pod.status.phase == "Running" and all(state.running is not None for state in states))


def _owners(rayjob: Mapping[str, Any]) -> list[dict[str, str]]:
    """The RayJob with which the pod is deleted if the connection is lost."""
    metadata = rayjob["metadata"]
    if "uid" not in metadata:
        return []
    return [{"apiVersion": rayjob["apiVersion"], "kind": "RayJob", "name": metadata["name"], "uid": metadata["uid"]}]


def _last_warning(core: client.CoreV1Api, pod: Any) -> str | None:
    """Why a pod that has a node does not start, for example a volume that cannot be mounted."""
    events = core.list_namespaced_event(pod.metadata.namespace, field_selector="type=Warning").items
    messages = [event.message for event in events if event.involved_object.name == pod.metadata.name]
    return messages[-1] if messages else None


def read_study(core: client.CoreV1Api, pod: Mapping[str, Any], storage: str, study: str, archive: Path) -> None:
    """Read a study without its checkpoints from a pod, as a tar archive, even while it runs."""
    for _ in range(_TRIES):
        code, why = _read_archive(core, pod, storage, study, archive)
        # A log that grew is fine; without a file that has disappeared, rows could be missing.
        if code == 0 or (code == _CHANGED and _REMOVED not in why):
            return
        if code != _CHANGED:
            break
    if _MISSING in why:
        raise ClusterError(
            f"There is no study {study!r} in {storage} on the volume: it has recorded nothing yet, or was deleted."
        )
    raise ClusterError(
        f"The study {study!r} cannot be read in {storage}: {why}. `tunepipe results {study} --kubernetes` tries again."
    )


def _read_archive(
    core: client.CoreV1Api, pod: Mapping[str, Any], storage: str, study: str, archive: Path
) -> tuple[int | None, str]:
    """Write the archive; return the exit code of tar, None if there is none, and what went wrong."""
    command = ["tar", "--create", "--directory", storage, "--exclude", f"{study}/checkpoints", "--", study]
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    connection = stream(
        core.connect_get_namespaced_pod_exec, name, namespace, container=_CONTAINER, command=command,
        stdout=True, stderr=True, stdin=False, tty=False, binary=True, _preload_content=False,
    )  # fmt: skip
    errors = b""
    status: dict[str, Any] = {}
    with (
        archive.open("wb", buffering=0) as file,
        contextlib.suppress(WebSocketException),
        contextlib.closing(connection),
    ):
        received_at = time.monotonic()
        while True:
            open_still = connection.is_open()
            connection.update(timeout=_READ_SECONDS)
            content, said = connection.read_channel(1), connection.read_channel(2)
            _append(file, content)
            errors += said
            if content or said:
                received_at = time.monotonic()
            if not open_still or time.monotonic() - received_at > SILENT_SECONDS:
                break
        # The command's exit status; empty if the connection was lost, or the pod's time was up, before it ended.
        status = yaml.safe_load(connection.read_channel(ERROR_CHANNEL)) or {}
    if status.get("status") == "Success":
        return 0, ""
    causes = (status.get("details") or {}).get("causes") or []
    codes = [int(each["message"]) for each in causes if each.get("reason") == "ExitCode"]
    why = errors.decode(errors="replace").strip() or status.get("message") or "the connection was lost"
    return codes[0] if codes else None, why


def _append(file: FileIO, content: bytes) -> None:
    """Write a part of the archive; its errors are not those of the connection."""
    try:
        while content:
            content = content[file.write(content) :]
    except OSError as error:
        raise StorageError(
            f"The results cannot be written to {file.name}: {error.strerror}. Free some space there, or name another "
            "folder with --to."
        ) from None
