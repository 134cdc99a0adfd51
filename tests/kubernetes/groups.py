"""Overlays with a group that no overlay of the project has, reduced to the capacity of the test bed's nodes."""

import os
from pathlib import Path
from typing import Any

import yaml

from tests.kubernetes.user import OVERLAY
from tests.project.manifests import HOME

__all__ = ["overlay_with"]

_GROUP = "/spec/workerGroupSpecs/1/template/spec"
_SMALL = {"cpu": "1", "memory": "3Gi"}
_PODS = (
    "autoscalerOptions",
    "headGroupSpec/template/spec/containers/0",
    "workerGroupSpecs/0/template/spec/containers/0",
)


def overlay_with(folder: Path, *components: str, resource: str | None = "nvidia.com/gpu", alone: bool = False) -> Path:
    """Write an overlay with one more group than that of CPUs, for `--overlay`.

    Args:
        folder: An empty folder.
        components: The group, and what changes it.
        resource: What its container has one of, beside a CPU; None for nothing, on any node.
        alone: Whether there are no pods of CPUs.

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
        (folder / part).mkdir(parents=True)
        head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
        (folder / part / "kustomization.yaml").write_text(yaml.safe_dump({**head, **kustomization}))
    return folder


def _relative(target: Path, folder: Path) -> str:
    """A relative path from a part of the overlay, because Kustomize accepts no absolute ones."""
    return os.path.relpath(target, (folder / "part").resolve())
