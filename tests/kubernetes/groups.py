"""Overlays that are not the project's, reduced to the capacity of the test bed's nodes, and labels of these."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.object_store import AUDIENCE
from tests.kubernetes.user import OVERLAY
from tests.project.manifests import HOME, documented_overlay

_GROUP = "/spec/workerGroupSpecs/1/template/spec"
_SMALL = {"cpu": "1", "memory": "3Gi"}
_TOKENS = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
_RAY_PODS = ("headGroupSpec", "workerGroupSpecs/0", "workerGroupSpecs/1")


@contextmanager
def labelled(**labels: str) -> Iterator[None]:
    """The GPU node with NVIDIA's labels as GPU feature discovery sets them."""
    names = {f"nvidia.com/gpu.{name}": value for name, value in labels.items()}
    kubectl("label", "node", "gpu", *(f"{name}={value}" for name, value in names.items()))
    try:
        yield
    finally:
        kubectl("label", "node", "gpu", *(f"{name}-" for name in names))


def overlay_with(
    folder: Path,
    *components: str,
    gpus: bool = True,
    alone: bool = False,
    more: Sequence[dict[str, Any]] = (),
) -> Path:
    """Write an overlay with one more group than that of CPUs, for `--overlay`."""
    patch = [
        *_sized(f"{_GROUP}/containers/0/resources", _SMALL, _SMALL),
        _operation("replace", "/spec/workerGroupSpecs/1/maxReplicas", 2),
        *(() if gpus else _without_gpu()),
        *([_operation("replace", "/spec/workerGroupSpecs/0/maxReplicas", 0)] if alone else []),
        *more,
    ]
    cluster = {
        "resources": [_relative(HOME / "base/ray", folder)],
        "components": [_relative(HOME / "components" / name, folder) for name in ("token", "small", *components)],
        "patches": [{"patch": yaml.safe_dump(patch), "target": {"kind": "RayCluster"}}],
    }
    study = {
        "resources": ["../cluster"],
        "components": [_relative(HOME / "components/study", folder)],
    }
    for part, kustomization in (("cluster", cluster), ("study", study)):
        _write(folder / part, kustomization)
    return folder


def overlay_with_identity(folder: Path, *components: str) -> Path:
    """Write an overlay without GPUs whose pods get keys of an object store by their account."""
    added = ("gpu-l4", "s3-identity/pods", *components)
    return overlay_with(folder, *added, gpus=False, alone=True, more=_of_the_webhook())


def _sized(resources: str, requests: dict[str, str], limits: dict[str, str]) -> list[dict[str, Any]]:
    """A patch that replaces some of a container's requests and limits and keeps the others, such as disk and GPUs."""
    return [
        _operation("replace", f"{resources}/{kind}/{name}", amount)
        for kind, amounts in (("requests", requests), ("limits", limits))
        for name, amount in amounts.items()
    ]


def _without_gpu() -> list[dict[str, Any]]:
    """A patch after which pods of the group request no GPU, and run on any node."""
    removed = [
        {"op": "remove", "path": f"{_GROUP}/containers/0/resources/{kind}/nvidia.com~1gpu"}
        for kind in ("requests", "limits")
    ]
    return [*removed, _operation("replace", f"{_GROUP}/nodeSelector", {})]


def _operation(op: str, path: str, value: object) -> dict[str, Any]:
    return {"op": op, "path": path, "value": value}


def _of_the_webhook() -> list[dict[str, object]]:
    """The additions of EKS' webhook to pods of an account with an identity, as a patch of the RayCluster."""
    token = {"serviceAccountToken": {"audience": AUDIENCE, "expirationSeconds": 86400, "path": "token"}}
    environment = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{_TOKENS}/token",
    }
    added: list[tuple[str, dict[str, object]]] = [
        ("volumes", {"name": "identity", "projected": {"sources": [token]}}),
        ("containers/0/volumeMounts", {"name": "identity", "mountPath": _TOKENS, "readOnly": True}),
        *(("containers/0/env", {"name": name, "value": value}) for name, value in environment.items()),
    ]
    return [
        {"op": "add", "path": f"/spec/{pod}/template/spec/{path}/-", "value": value}
        for pod in _RAY_PODS
        for path, value in added
    ]


def overlay_changed(folder: Path, *patch: dict[str, Any], base: Path = OVERLAY) -> Path:
    """Write an overlay whose RayJob differs from that of another one."""
    patches = [{"patch": yaml.safe_dump(list(patch)), "target": {"kind": "RayJob"}}]
    _write(folder / "study", {"resources": [_relative(base / "study", folder)], "patches": patches})
    return folder


def overlay_of_the_documentation(folder: Path) -> Path:
    """Write the overlay of docs/kubernetes.md, and one on its `study` in which only the sizes of pods differ."""
    folder.mkdir()
    documented_overlay(folder)
    head = ({"cpu": "200m", "memory": "3Gi"}, {"cpu": "2", "memory": "3Gi"})
    sizes = {"headGroupSpec": head, **{f"workerGroupSpecs/{group}": (_SMALL, _SMALL) for group in range(3)}}
    patch = [
        operation
        for pod, (requests, limits) in sizes.items()
        for operation in _sized(f"/spec/rayClusterSpec/{pod}/template/spec/containers/0/resources", requests, limits)
    ]
    patches = [{"patch": yaml.safe_dump(patch), "target": {"kind": "RayJob"}}]
    _write(folder / "reduced/study", {"resources": ["../../lab/study"], "patches": patches})
    return folder / "reduced"


def _write(folder: Path, kustomization: dict[str, Any]) -> None:
    folder.mkdir(parents=True)
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({**head, **kustomization}))


def _relative(target: Path, folder: Path) -> str:
    """A relative path from a part of the overlay, because Kustomize accepts no absolute ones."""
    return os.path.relpath(target, (folder / "part").resolve())
