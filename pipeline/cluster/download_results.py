"""Copying a study from a cluster's volume to this machine, through a pod that mounts the volume."""

import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from kubernetes import client

from pipeline.cluster.merge_study import merge_study
from pipeline.cluster.volume_reader import read_study, reader_pod
from pipeline.errors import StorageError
from pipeline.study.contents import check_output_folder


def volume_of(rayjob: Mapping[str, Any], storage: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The volume that holds a storage, and how the head mounts it."""
    head = rayjob["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    volumes = {each["name"]: each for each in head.get("volumes", []) if "persistentVolumeClaim" in each}
    mounts = [
        mount
        for mount in head["containers"][0].get("volumeMounts", [])
        if mount["name"] in volumes and PurePosixPath(storage).is_relative_to(mount["mountPath"])
    ]
    nearest = max(mounts, key=lambda mount: len(PurePosixPath(mount["mountPath"]).parts), default=None)
    return None if nearest is None else (volumes[nearest["name"]], nearest)


def download_results(
    core: client.CoreV1Api, rayjob: Mapping[str, Any], study: str, storage: str, to: Path
) -> Path | None:
    """Copy a study without its checkpoints from a volume to a folder here."""
    volume = volume_of(rayjob, storage)
    if volume is None:
        return None
    check_output_folder(to)
    with _writing(to):
        to.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=to, prefix=".download-")
    with scratch as folder:
        archive, unpacked = Path(folder, "study.tar"), Path(folder, "study")
        with reader_pod(core, rayjob, *volume) as pod:
            read_study(core, pod, storage, study, archive)
        with _writing(to), tarfile.open(archive) as packed:
            packed.extractall(unpacked, filter=_plain)
        return merge_study(unpacked / study, to / study)


@contextmanager
def _writing(to: Path) -> Iterator[None]:
    """Errors of the local folder, which are not those of the cluster."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"The folder {to} for results cannot be written: {error.strerror}. Name another one with --to."
        ) from None


def _plain(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """A file or a folder of an archive; None for anything else that a trial may create: links, pipes, devices."""
    if not (member.isfile() or member.isdir() or member.islnk()):
        return None
    with suppress(tarfile.FilterError):
        return tarfile.data_filter(member, folder)
    return None
