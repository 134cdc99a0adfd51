"""Studies on a cluster's volume: a pod that mounts the volume reads them, and they are merged into a local folder."""

import contextlib
import re
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from kubernetes.stream import stream
from websocket import WebSocketException

from pipeline.cluster.kubernetes_api import translated_errors
from pipeline.cluster.rayjob import rayjob_template, volume_at
from pipeline.cluster.rayjobs import RayJobs, fatal_reason, owners, why_pods_wait
from pipeline.cluster.submissions import shared_storage
from pipeline.errors import ClusterError, JobNotFound, StorageError
from pipeline.storage import Store, layout
from pipeline.storage.schema import TABLES
from pipeline.study.faults import NAME
from pipeline.study.files import check_output

POLL_SECONDS = 1.0
SILENT_SECONDS = 300.0
"""A connection that has been silent for this long is lost: one that is cut off without a reset stays open forever."""
START_SECONDS = 420.0
"""The longest wait for the reader, whose node may have to be started."""
_POD_SECONDS = 3600
"""The longest time that copying may take: the pod ends by itself after it."""
_READ_SECONDS = 60.0
_TRIES = 3
_CHANGED = 1
"""The exit code of tar if files changed while it read them."""
_REMOVED = "removed before we read it"
"""Tar's message about a file that a running study has merged into another one."""


def readable_study(server: RayJobs, name: str, to: Path, *, storage: str, values: str | None = None) -> tuple[str, str]:
    """The storage and name of a study of a namespace, as this machine reads it; one on a volume is copied first.

    A study whose RayJob was deleted has its storage, and the values whose pods mount it, from the caller.
    """
    job: Mapping[str, Any]
    if values is not None:
        job, study, place = rayjob_template(values, server.namespace), name, shared_storage(storage)
    else:
        found = server.find(name)
        job, study, place = found.rayjob, found.study, found.storage
    if download_results(server, job, study, place, to) is not None:
        return str(to), study
    if "://" not in place and not Path(place).is_dir():
        raise JobNotFound(
            f"The pods of {job['metadata']['name']!r} mount no claim at {place or 'an unknown storage'}. Name the "
            "storage with --storage, and the cluster whose pods mount it with --values."
        )
    return place, study


def download_results(server: RayJobs, rayjob: Mapping[str, Any], study: str, storage: str, to: Path) -> Path | None:
    """Copy a study without its checkpoints from a volume to a folder here; None if it is on none."""
    # The name may be from a RayJob, which others can write.
    if re.fullmatch(NAME, study) is None:
        raise JobNotFound(f"{study!r} is not the name of a study.")
    found = volume_at(rayjob["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"], storage)
    if found is None or "persistentVolumeClaim" not in found[0]:
        return None
    check_output(to)
    try:
        to.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=to, prefix=".download-") as folder:
            archive, unpacked = Path(folder, "study.tar"), Path(folder, "study")
            with reader_pod(server, rayjob, *found) as pod:
                read_study(server, pod, storage, study, archive)
            with tarfile.open(archive) as packed:
                packed.extractall(unpacked, filter=_files_and_folders)
            return merge_study(unpacked / study, to / study)
    except OSError as error:
        raise StorageError(
            f"The folder {to} for results cannot be written: {error.strerror or error}. Name another one with --to."
        ) from None


@contextlib.contextmanager
def reader_pod(
    server: RayJobs, rayjob: Mapping[str, Any], volume: Mapping[str, Any], mount: Mapping[str, Any]
) -> Iterator[str]:
    """The name of a pod that can read a volume and nothing else, deleted after the context."""
    body = _reader(rayjob, volume, mount)
    pod = server.ask("create a pod that reads the volume", server.core.create_namespaced_pod, body=body)
    name, end = pod["metadata"]["name"], time.monotonic() + START_SECONDS
    try:
        while pod["status"]["phase"] != "Running":
            reasons, phase = why_pods_wait(pod, [pod], server.warnings()), pod["status"]["phase"]
            if fatal_reason(reasons) or phase in ("Failed", "Succeeded") or time.monotonic() > end:
                raise ClusterError(
                    f"The pod {name}, which copies results, did not start: {'; '.join(reasons) or phase}."
                )
            time.sleep(POLL_SECONDS)
            pod = server.ask("read a pod", server.core.read_namespaced_pod, name=name)
        yield name
    finally:
        # If this fails, its owner or its own deadline deletes it.
        with contextlib.suppress(ClusterError):
            server.ask("delete a pod", server.core.delete_namespaced_pod, name=name)


def _reader(rayjob: Mapping[str, Any], volume: Mapping[str, Any], mount: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of the pod: that of the submitter with another command, without its network and volumes."""
    metadata, template = rayjob["metadata"], deepcopy(rayjob["spec"].get("submitterPodTemplate"))
    if template is None:
        raise ClusterError(f"The RayJob {metadata['name']!r} has no submitterPodTemplate, by which results are copied.")
    claim = {**volume["persistentVolumeClaim"], "readOnly": True}
    container = template["spec"]["containers"][0] | {
        "command": ["sleep", str(_POD_SECONDS)],
        "args": [],
        "volumeMounts": [{**mount, "name": "studies", "readOnly": True}],
    }
    spec = template["spec"] | {
        "containers": [container],
        # They may use the volumes that are left out.
        "initContainers": [],
        "volumes": [{"name": "studies", "persistentVolumeClaim": claim}],
        "activeDeadlineSeconds": _POD_SECONDS,
        "terminationGracePeriodSeconds": 0,
    }
    given = template.get("metadata") or {}
    # Policies of a cluster may require the template's labels; by that of the chart, pods reach each other.
    labels = {**(given.get("labels") or {}), "app.kubernetes.io/name": "tunepipe-reader"}
    labels.pop("app.kubernetes.io/part-of", None)
    pod_metadata = {
        "generateName": f"{metadata['name']}-reader-",
        "namespace": metadata["namespace"],
        "ownerReferences": owners(rayjob),
        "labels": labels,
        "annotations": given.get("annotations") or {},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": pod_metadata, "spec": spec}


def read_study(server: RayJobs, pod: str, storage: str, study: str, archive: Path) -> None:
    """Read a study without its checkpoints from a pod, as a tar archive, even while it runs."""
    for _ in range(_TRIES):
        code, why = _read_archive(server, pod, storage, study, archive)
        # A log that grew is fine; without a file that has disappeared, rows could be missing.
        if code == 0 or (code == _CHANGED and _REMOVED not in why):
            return
        if f"{study}: Cannot stat" in why:
            raise JobNotFound(f"There is no study {study!r} in {storage}.")
    raise ClusterError(f"The study {study!r} cannot be read in {storage}: {why}.")


def _read_archive(server: RayJobs, pod: str, storage: str, study: str, archive: Path) -> tuple[int | None, str]:
    """Write the archive; return the exit code of tar, None if there is none, and what went wrong."""
    with translated_errors("read the results from the volume"):
        connection = stream(
            server.core.connect_get_namespaced_pod_exec, pod, server.namespace,
            command=["tar", "--create", "--directory", storage, "--exclude", f"{study}/checkpoints", "--", study],
            stdout=True, stderr=True, stdin=False, tty=False, binary=True, _preload_content=False,
        )  # fmt: skip
    errors, received_at, is_open, code = b"", time.monotonic(), True, None
    with archive.open("wb") as file, contextlib.closing(connection):
        while is_open and time.monotonic() - received_at <= SILENT_SECONDS:
            is_open = connection.is_open()
            try:
                connection.update(timeout=_READ_SECONDS)
            except (WebSocketException, OSError):
                break
            content, said = connection.read_channel(1), connection.read_channel(2)
            received_at = time.monotonic() if content or said else received_at
            errors += said
            file.write(content)
        # There is no exit status if the connection was lost, or the pod's time was up, before the command ended.
        with contextlib.suppress(TypeError, LookupError, ValueError, WebSocketException, OSError):
            code = connection.returncode
    return code, errors.decode(errors="replace").strip() or "the connection was lost"


def _files_and_folders(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """A file or a folder of an archive; None for anything else that a trial may create: links, pipes, devices."""
    if member.isfile() or member.isdir() or member.islnk():
        with contextlib.suppress(tarfile.FilterError):
            return tarfile.data_filter(member, folder)
    return None


def merge_study(downloaded: Path, place: Path) -> Path:
    """Replace the files of a study's earlier copy by those of a newer one; files of other origin stay."""
    here, new = Store(place), Store(downloaded)
    if all(entry.kind == "folder" for entry in here.entries()):
        # In one step: nobody reads a study's beginning as the whole.
        shutil.rmtree(place, ignore_errors=True)
        downloaded.replace(place)
        return place
    first = _first_session(here)
    if first is None or first != _first_session(new):
        raise ClusterError(f"{place} holds another study of the same name: nothing was downloaded. Name another --to.")
    kept = new.files()
    for path in kept:
        here.write(path, new.pieces(path))
    # Last, so that a concurrent reader misses no row: the downloaded parts hold these rows.
    for path in (path for table in TABLES for path in here.files(table)):
        if layout.names(path) and path not in kept:
            here.delete(path)
    return place


def _first_session(store: Store) -> tuple[object, object] | None:
    """What tells a study's first session from all others; None if it has none."""
    path = layout.session(1)
    record = store.read_json(path) if store.exists(path) else None
    return (record.get("mark"), record.get("started")) if isinstance(record, dict) else None
