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

__all__ = [
    "labelled",
    "overlay_changed",
    "overlay_of_the_documentation",
    "overlay_with",
    "overlay_with_identity",
]

_GROUP = "/spec/workerGroupSpecs/1/template/spec"
_SMALL = {"cpu": "1", "memory": "3Gi"}
_TOKENS = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
_RAY_PODS = ("headGroupSpec", "workerGroupSpecs/0", "workerGroupSpecs/1")
_PODS = (
    "autoscalerOptions",
    "headGroupSpec/template/spec/containers/0",
    "workerGroupSpecs/0/template/spec/containers/0",
)


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
    resource: str | None = "nvidia.com/gpu",
    alone: bool = False,
    more: Sequence[dict[str, Any]] = (),
) -> Path:
    """Write an overlay with one more group than that of CPUs, for `--overlay`.

    Args:
        folder: An empty folder.
        components: The group, and what changes it.
        resource: What its container has one of, beside a CPU; None for nothing, on any node.
        alone: Whether there are no pods of CPUs.
        more: Further operations of a JSON patch of the RayCluster.

    Returns:
        The folder.
    """
    resources = {**_SMALL, **({resource: "1"} if resource else {})}
    replaced: dict[str, Any] = {
        f"{_GROUP}/containers/0/resources": {"requests": resources, "limits": resources},
        "/spec/workerGroupSpecs/1/maxReplicas": 2,
        **({} if resource else {f"{_GROUP}/nodeSelector": {}}),
        **({"/spec/workerGroupSpecs/0/maxReplicas": 0} if alone else {}),
    }
    patch = [
        *({"op": "replace", "path": path, "value": value} for path, value in replaced.items()),
        # The nodes count no disk: a pod that asks for some fits none of them.
        *(
            {"op": "remove", "path": f"/spec/{pod}/resources/{kind}/ephemeral-storage"}
            for pod in _PODS
            for kind in ("requests", "limits")
        ),
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
        "patches": [
            {"patch": (OVERLAY / "study/no-disk.yaml").read_text(), "target": {"kind": "RayJob"}},
        ],
    }
    for part, kustomization in (("cluster", cluster), ("study", study)):
        _write(folder / part, kustomization)
    return folder


def overlay_with_identity(folder: Path, *components: str) -> Path:
    """Write an overlay without GPUs whose pods get keys of an object store by their account.

    Args:
        folder: An empty folder.
        components: What else changes it.

    Returns:
        The folder.
    """
    added = ("gpu-l4", "s3-identity/pods", *components)
    return overlay_with(folder, *added, resource=None, alone=True, more=_of_the_webhook())


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
    """Write an overlay whose RayJob differs from that of another one.

    Args:
        folder: A folder that does not exist yet.
        patch: Operations of a JSON patch of the RayJob.
        base: The other overlay.

    Returns:
        The folder.
    """
    patches = [{"patch": yaml.safe_dump(list(patch)), "target": {"kind": "RayJob"}}]
    _write(folder / "study", {"resources": [_relative(base / "study", folder)], "patches": patches})
    return folder


def overlay_of_the_documentation(folder: Path) -> Path:
    """Write the overlay of docs/kubernetes.md, and one on its `study` in which only the sizes of pods differ.

    Args:
        folder: A folder that does not exist yet.

    Returns:
        The path of the second one, for `--overlay`.
    """
    folder.mkdir()
    documented_overlay(folder)
    cluster, submitter = "/spec/rayClusterSpec", "/spec/submitterPodTemplate/spec/containers/0/resources"
    gpu = {**_SMALL, "nvidia.com/gpu": "1"}
    sizes = {
        "headGroupSpec": {"requests": {"cpu": "200m", "memory": "3Gi"}, "limits": {"cpu": "2", "memory": "3Gi"}},
        "workerGroupSpecs/0": {"requests": _SMALL, "limits": _SMALL},
        "workerGroupSpecs/1": {"requests": gpu, "limits": gpu},
        "workerGroupSpecs/2": {"requests": gpu, "limits": gpu},
    }
    patch = [
        *(
            {"op": "replace", "path": f"{cluster}/{group}/template/spec/containers/0/resources", "value": value}
            for group, value in sizes.items()
        ),
        *(
            {"op": "remove", "path": f"{resources}/{kind}/ephemeral-storage"}
            for resources in (f"{cluster}/autoscalerOptions/resources", submitter)
            for kind in ("requests", "limits")
        ),
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
