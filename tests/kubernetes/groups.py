"""Clusters that are not the project's, reduced to the capacity of the test bed's nodes, and labels of these."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.object_store import AUDIENCE
from tests.kubernetes.user import VALUES
from tests.manifests import charted

_SMALL = {"cpu": 1, "memory": "3Gi", "max": 2}
_GROUP = "/spec/workerGroupSpecs/1/template/spec"
_TOKENS = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
_RAY_PODS = ("headGroupSpec", "workerGroupSpecs/0", "workerGroupSpecs/1")


@contextmanager
def labelled(name: str, value: str) -> Iterator[None]:
    """The GPU node with a label of NVIDIA's GPU feature discovery or of a cloud."""
    kubectl("label", "node", "gpu", f"{name}={value}")
    try:
        yield
    finally:
        kubectl("label", "node", "gpu", f"{name}-")


def cluster_with(
    folder: Path,
    group: dict[str, Any],
    *,
    nodes: dict[str, str] | None = None,
    more: Sequence[dict[str, Any]] = (),
    **values: Any,
) -> Path:
    """Write manifests for `--values` with one group, whose pods request no GPU and run on `nodes` with these labels.

    `more` are operations of JSON Patch on the RayCluster.
    """
    given = yaml.safe_load(VALUES.read_text())
    given |= {"cloud": "none", "groups": [{**_SMALL, **group}], "idleSeconds": 120, **values}
    given["workers"]["max"] = 0
    resources = f"{_GROUP}/containers/0/resources"
    patch = [{"op": "remove", "path": f"{resources}/{kind}/nvidia.com~1gpu"} for kind in ("requests", "limits")]
    patch += [{"op": "replace", "path": f"{_GROUP}/nodeSelector", "value": nodes or {}}, *more]
    for each in patch:
        each["path"] = each["path"].replace("/spec", "/spec/rayClusterSpec", 1)
    return _patched(folder, charted(**given)["RayJob", "study"], patch)


def cluster_with_identity(folder: Path, **values: Any) -> Path:
    """Write manifests without GPUs whose pods get keys of an object store by their account."""
    return cluster_with(folder, {"gpu": "l4"}, more=_of_the_webhook(), identity={"enabled": True}, **values)


def changed(folder: Path, *patch: dict[str, Any], values: Path = VALUES) -> Path:
    """Write manifests for `--values` whose RayJob differs from that of some values."""
    return _patched(folder, charted(**yaml.safe_load(values.read_text()))["RayJob", "study"], patch)


def _patched(folder: Path, made: dict[str, Any], patch: Sequence[dict[str, Any]]) -> Path:
    """A RayJob after a patch by Kustomize."""
    folder.mkdir(parents=True)
    (folder / "made.yaml").write_text(yaml.safe_dump(made))
    patches = [{"patch": yaml.safe_dump(list(patch)), "target": {"group": "ray.io"}}]
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({**head, "resources": ["made.yaml"], "patches": patches}))
    (file := folder / "patched.yaml").write_text(kubectl("kustomize", str(folder)))
    return file


def _of_the_webhook() -> list[dict[str, Any]]:
    """The additions of EKS' webhook to pods of an account with an identity, as a patch of the RayCluster."""
    token = {"serviceAccountToken": {"audience": AUDIENCE, "expirationSeconds": 86400, "path": "token"}}
    environment = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{_TOKENS}/token",
    }
    added: list[tuple[str, dict[str, Any]]] = [
        ("volumes", {"name": "identity", "projected": {"sources": [token]}}),
        ("containers/0/volumeMounts", {"name": "identity", "mountPath": _TOKENS, "readOnly": True}),
        *(("containers/0/env", {"name": name, "value": value}) for name, value in environment.items()),
    ]
    return [
        {"op": "add", "path": f"/spec/{pod}/template/spec/{path}/-", "value": value}
        for pod in _RAY_PODS
        for path, value in added
    ]
