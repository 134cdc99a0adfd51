"""Copying a study from a cluster's volume to this machine, through a pod that mounts the volume."""

import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from kubernetes import client

from pipeline.cluster.merge_study import merge_study
from pipeline.cluster.volume_reader import read_study, reader_pod
from pipeline.errors import StorageError
from pipeline.study.output_paths import check_output_folder

__all__ = ["download_results", "volume_of"]


def volume_of(rayjob: Mapping[str, Any], storage: str) -> tuple[dict[str, Any], str] | None:
    """The volume that holds a storage, as the head mounts it.

    Args:
        rayjob: The RayJob.
        storage: The storage of its study.

    Returns:
        The volume of a pod and its mount path; None if the storage is not on a volume but an object store.
    """
    head = rayjob["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    volumes = {each["name"]: each for each in head.get("volumes", []) if "persistentVolumeClaim" in each}
    for mount in head["containers"][0].get("volumeMounts", []):
        if mount["name"] in volumes and PurePosixPath(storage).is_relative_to(mount["mountPath"]):
            return volumes[mount["name"]], str(mount["mountPath"])
    return None


def download_results(
    core: client.CoreV1Api, rayjob: Mapping[str, Any], study: str, storage: str, to: Path
) -> Path | None:
    """Copy a study without its checkpoints from a volume to a folder here.

    Args:
        core: The cluster's API.
        rayjob: The RayJob whose head mounts the volume; its submitter's pod is the template of the reader.
        study: The study's name.
        storage: The storage, as the pods see it.
        to: The local folder that gets a folder with the study's name.

    Returns:
        The study's local folder; None if the storage is not on a volume.

    Raises:
        ClusterError: The pod does not start, or another study of that name is there.
        StorageError: `to` is within a study, or cannot be created.
    """
    volume = volume_of(rayjob, storage)
    if volume is None:
        return None
    check_output_folder(to)
    try:
        to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"The folder {to} for results cannot be created: {error.strerror}.") from None
    with tempfile.TemporaryDirectory(dir=to, prefix=".download-") as scratch, reader_pod(core, rayjob, *volume) as pod:
        archive = Path(scratch, "study.tar")
        read_study(core, pod, storage, study, archive)
        with tarfile.open(archive) as packed:
            packed.extractall(Path(scratch, "study"), filter="data")
        return merge_study(Path(scratch, "study", study), to / study)
