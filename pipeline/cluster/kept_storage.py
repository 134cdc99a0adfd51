"""Whether a storage is kept: a folder that belongs to a pod is lost with the pod."""

import posixpath
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from pipeline.errors import ClusterError
from pipeline.wording import by_count

_OF_A_POD = {"configMap", "downwardAPI", "emptyDir", "ephemeral", "image", "projected", "secret"}
"""Kinds of volumes that end with a pod, or that it cannot write."""


def check_storage_is_kept(
    overlay: str, head: Mapping[str, Any], groups: Sequence[Mapping[str, Any]], storage: str
) -> None:
    """Check that a study's records and checkpoints outlive its pods."""
    if "://" in storage:
        return
    pods = {"the head": head, **{f"the group {each['groupName']!r}": each for each in groups}}
    kept = {name: _folders(each["template"]["spec"]) for name, each in pods.items()}
    without = [name for name, folders in kept.items() if not _is_kept(storage, folders)]
    if not without:
        return
    mounted = sorted({folder for folders in kept.values() for folder, lasts in folders.items() if lasts})
    raise ClusterError(
        f"The study would be lost with its pods: in the overlay {overlay!r}, {' and '.join(without)} "
        f"{by_count(len(without), 'has', 'have')} no volume at --storage {storage}. Mounted volumes: "
        f"{', '.join(mounted) or 'none'}. Name an object store (s3://…, gs://…, abfs://…) or a folder on a volume. An "
        "overlay with the component no-volume/pods has no volume at /studies."
    )


def _folders(pod: Mapping[str, Any]) -> dict[str, bool]:
    """The folders at which a pod's first container mounts volumes, and whether these outlive the pod."""
    lasting = {each["name"]: not _OF_A_POD.intersection(each) for each in pod.get("volumes") or ()}
    mounts = pod["containers"][0].get("volumeMounts") or ()
    return {each["mountPath"]: lasting.get(each["name"], True) for each in mounts}


def _is_kept(storage: str, folders: Mapping[str, bool]) -> bool:
    # Linux reads //studies as /studies; normpath keeps two slashes.
    place = PurePosixPath("/", posixpath.normpath(storage).lstrip("/"))
    above = [folder for folder in folders if place.is_relative_to(folder)]
    nearest = max(above, key=lambda folder: len(PurePosixPath(folder).parts), default=None)
    return nearest is not None and folders[nearest]
