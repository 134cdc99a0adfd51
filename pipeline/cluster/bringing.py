"""A study brought from a cluster's volume to this machine, by a pod that mounts the volume and lives for that."""

import contextlib
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from kubernetes.stream.ws_client import ERROR_CHANNEL
from urllib3.exceptions import HTTPError
from websocket import WebSocketException

from pipeline.cluster.hindrances import hopeless, unscheduled
from pipeline.errors import ClusterError
from pipeline.study import layout

__all__ = ["bring", "volume_of"]

_LIVES_SECONDS = 3600
"""So long the largest study may take to copy; whoever is cut off leaves the pod asleep until then, at most."""
_STARTS_SECONDS = 120.0
_ANSWER_SECONDS = 60.0
_POLL_SECONDS = 1.0


def volume_of(rayjob: Mapping[str, Any], storage: str) -> tuple[dict[str, Any], str] | None:
    """The claim that a storage lies on, as the head mounts it.

    Args:
        rayjob: The RayJob.
        storage: Where its study lies.

    Returns:
        A volume of a pod, and where it is mounted; None where the storage is no volume's: an object store.
    """
    head = rayjob["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    volumes = {each["name"]: each for each in head.get("volumes", []) if "persistentVolumeClaim" in each}
    for mount in head["containers"][0].get("volumeMounts", []):
        if mount["name"] in volumes and PurePosixPath(storage).is_relative_to(mount["mountPath"]):
            return volumes[mount["name"]], str(mount["mountPath"])
    return None


def bring(core: client.CoreV1Api, rayjob: Mapping[str, Any], study: str, storage: str, to: Path) -> Path | None:
    """Copy a study without its checkpoints from a volume to a folder here.

    Args:
        core: The cluster.
        rayjob: Whose head mounts the volume; its submitter's pod is what the reader is made of.
        study: The study's name.
        storage: Where it lies in the cluster.
        to: The folder that gets a folder of the study's name.

    Returns:
        The study's folder; None where the storage is on no volume.

    Raises:
        ClusterError: The pod does not start, or another study of that name lies there.
    """
    found = volume_of(rayjob, storage)
    if found is None:
        return None
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to, prefix=".bringing-") as scratch, _reader(core, rayjob, *found) as pod:
        archive = Path(scratch, "study.tar")
        _read(core, pod, storage, study, archive)
        with tarfile.open(archive) as packed:
            packed.extractall(Path(scratch, "study"), filter="data")
        return _put(Path(scratch, "study", study), to / study)


@contextlib.contextmanager
def _reader(
    core: client.CoreV1Api, rayjob: Mapping[str, Any], volume: Mapping[str, Any], place: str
) -> Iterator[Mapping[str, Any]]:
    """A pod that can read the volume, and do nothing else."""
    metadata = rayjob["metadata"]
    if "submitterPodTemplate" not in rayjob["spec"]:
        raise ClusterError(
            f"The RayJob {metadata['name']!r} has no submitterPodTemplate, of which the pod is made that brings the "
            "results. The study has ended, and lies on the volume whole; the component `study` has such a template."
        )
    spec = deepcopy(rayjob["spec"]["submitterPodTemplate"]["spec"])
    claim = {**volume["persistentVolumeClaim"], "readOnly": True}
    container = {**spec["containers"][0], "name": "reader", "command": ["sleep", str(_LIVES_SECONDS)]}
    container["volumeMounts"] = [{"name": "studies", "mountPath": place, "readOnly": True}]
    spec |= {
        "containers": [container],
        "volumes": [{"name": "studies", "persistentVolumeClaim": claim}],
        "activeDeadlineSeconds": _LIVES_SECONDS,
        "terminationGracePeriodSeconds": 0,
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{metadata['name']}-reader-",
            "namespace": metadata["namespace"],
            # Who is cut off leaves the pod to the RayJob.
            "ownerReferences": [
                {"apiVersion": rayjob["apiVersion"], "kind": "RayJob", "name": metadata["name"], "uid": metadata["uid"]}
            ],
        },
        "spec": spec,
    }
    made: Mapping[str, Any] = core.create_namespaced_pod(metadata["namespace"], pod).to_dict()
    name = made["metadata"]["name"]
    try:
        end = time.monotonic() + _STARTS_SECONDS
        while (reader := core.read_namespaced_pod(name, metadata["namespace"])).status.phase != "Running":
            hindered = hopeless(rayjob, [reader], [])
            if hindered or reader.status.phase in ("Failed", "Succeeded") or time.monotonic() > end:
                why = hindered or unscheduled(reader) or _last_warning(core, reader) or f"it is {reader.status.phase}"
                raise ClusterError(
                    f"The pod {name}, which brings the results from the volume, did not start: {why.rstrip('.')}. The "
                    "study has ended, and lies there whole: submitted again, it only brings its results."
                )
            time.sleep(_POLL_SECONDS)
        yield made
    finally:
        # Its owner, or its own deadline, takes it away where this does not.
        with contextlib.suppress(ApiException, HTTPError, OSError):
            core.delete_namespaced_pod(name, metadata["namespace"])


def _last_warning(core: client.CoreV1Api, pod: Any) -> str | None:
    """Why a pod that has a node does not start: a volume that cannot be mounted, for one."""
    events = core.list_namespaced_event(pod.metadata.namespace, field_selector="type=Warning").items
    said = [each.message for each in events if each.involved_object.name == pod.metadata.name]
    return said[-1] if said else None


def _read(core: client.CoreV1Api, pod: Mapping[str, Any], storage: str, study: str, archive: Path) -> None:
    command = ["tar", "--create", "--directory", storage, "--exclude", f"{study}/checkpoints", "--", study]
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    answer = stream(
        core.connect_get_namespaced_pod_exec, name, namespace, command=command,
        stdout=True, stderr=True, stdin=False, tty=False, binary=True, _preload_content=False,
    )  # fmt: skip
    said = b""
    ended: dict[str, Any] = {}
    with archive.open("wb") as file, contextlib.suppress(WebSocketException), contextlib.closing(answer):
        while True:
            open_still = answer.is_open()
            answer.update(timeout=_ANSWER_SECONDS)
            file.write(answer.read_channel(1))
            said += answer.read_channel(2)
            if not open_still:
                break
        # How the command ended; nothing where the connection was lost, or the pod's time was up, before it did.
        ended = yaml.safe_load(answer.read_channel(ERROR_CHANNEL)) or {}
    if ended.get("status") != "Success":
        why = said.decode(errors="replace").strip() or ended.get("message") or "the connection was lost"
        raise ClusterError(
            f"The study {study!r} cannot be read in {storage}: {why}. Submitted again, a study that has ended only "
            "brings its results."
        )


def _put(brought: Path, place: Path) -> Path:
    """Let what was brought take the place of what was brought before."""
    if place.exists():
        # A study may have been given more trials meanwhile; its first session stays what it was.
        one, other = (folder / layout.session(1) for folder in (place, brought))
        if not one.is_file() or one.read_bytes() != other.read_bytes():
            raise ClusterError(
                f"{place} holds another study of the same name, so the results were not brought. Name another folder "
                "with --to and submit again: a study that has ended only brings its results."
            )
        shutil.rmtree(place)
    return brought.rename(place)
