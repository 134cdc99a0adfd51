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
def labelled(**labels: str) -> Iterator[None]:
    """The GPU node with NVIDIA's labels as GPU feature discovery sets them."""
    names = {f"nvidia.com/gpu.{name}": value for name, value in labels.items()}
    kubectl("label", "node", "gpu", *(f"{name}={value}" for name, value in names.items()))
    try:
        yield
    finally:
        kubectl("label", "node", "gpu", *(f"{name}-" for name in names))


def cluster_with(
    folder: Path,
    group: dict[str, Any],
    *,
    gpus: bool = True,
    alone: bool = False,
    shared: bool = False,
    nodes: dict[str, str] | None = None,
    more: Sequence[dict[str, Any]] = (),
    **values: Any,
) -> Path:
    """Write manifests for `--values`, or of a shared cluster, with one more group than that of CPUs.

    Without GPUs, its pods run on `nodes` with these labels; `more` are operations of JSON Patch on a RayCluster.
    """
    given = {**_values(), "cloud": "none", "groups": [{**_SMALL, **group}], "idleSeconds": 120, **values}
    if alone:
        given["workers"] = {**given["workers"], "max": 0}
    kind, spec = ("RayCluster", "/spec") if shared else ("RayJob", "/spec/rayClusterSpec")
    made = [each for (known, _), each in charted(**given).items() if known == kind]
    patch = [*(() if gpus else _without_gpu(nodes or {})), *more]
    return _patched(folder, made, [{**each, "path": each["path"].replace("/spec", spec, 1)} for each in patch])


def cluster_with_identity(folder: Path, **values: Any) -> Path:
    """Write manifests without GPUs whose pods get keys of an object store by their account."""
    more = _of_the_webhook()
    return cluster_with(folder, {"gpu": "l4"}, gpus=False, alone=True, more=more, identity={"enabled": True}, **values)


def changed(folder: Path, *patch: dict[str, Any], values: Path = VALUES) -> Path:
    """Write manifests for `--values` whose RayJob differs from that of some values."""
    made = charted(**yaml.safe_load(values.read_text()))["RayJob", "study"]
    return _patched(folder, [made], patch)


def _values() -> dict[str, Any]:
    return dict(yaml.safe_load(VALUES.read_text()))


def _patched(folder: Path, objects: Sequence[dict[str, Any]], patch: Sequence[dict[str, Any]]) -> Path:
    """The objects after a patch by Kustomize."""
    folder.mkdir(parents=True)
    (folder / "made.yaml").write_text(yaml.safe_dump_all(objects))
    patches = [{"patch": yaml.safe_dump(list(patch)), "target": {"group": "ray.io"}}] if patch else []
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({**head, "resources": ["made.yaml"], "patches": patches}))
    (file := folder / "patched.yaml").write_text(kubectl("kustomize", str(folder)))
    return file


def _without_gpu(nodes: dict[str, str]) -> list[dict[str, Any]]:
    """A patch after which pods of the group request no GPU, and run on any node with these labels."""
    resources = f"{_GROUP}/containers/0/resources"
    removed = [{"op": "remove", "path": f"{resources}/{kind}/nvidia.com~1gpu"} for kind in ("requests", "limits")]
    return [*removed, {"op": "replace", "path": f"{_GROUP}/nodeSelector", "value": nodes}]


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
