"""Manifests as Kustomize renders them, and their parts."""

import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

from pipeline.cluster.overlays import rendered
from scripts.documentation.folder import Folder
from scripts.documentation.markdown import Command, steps

HOME = Path(__file__).parents[2] / "k8s"
RAY = {"RayCluster", "RayJob"}
PLATFORM = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
"""The labels of the nodes that the images are for."""


def pods(node: Any) -> Iterator[dict[str, Any]]:
    """Every pod's spec below a node."""
    if isinstance(node, dict):
        if "containers" in node:
            yield node
        for value in node.values():
            yield from pods(value)
    elif isinstance(node, list):
        for each in node:
            yield from pods(each)


def gpu_groups() -> list[str]:
    """The components that add a group of nodes with GPUs, sorted."""
    components = HOME / "components"
    names = (path.parent.relative_to(components).as_posix() for path in components.glob("**/gpu-*/kustomization.yaml"))
    return sorted(name for name in names if name != "gpu-group")


def ray_cluster(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """The one RayCluster among objects."""
    (cluster,) = (each for each in objects if each["kind"] == "RayCluster")
    return cluster


def pods_of_groups(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pod of each group of the one RayCluster."""
    return {each["groupName"]: each["template"]["spec"] for each in ray_cluster(objects)["spec"]["workerGroupSpecs"]}


def refused_labels(pod: dict[str, Any]) -> set[str]:
    """The labels of nodes by which a pod refuses nodes."""
    required = pod.get("affinity", {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution", {})
    terms = required.get("nodeSelectorTerms", [])
    return {each["key"] for term in terms for each in term["matchExpressions"] if each["operator"] != "In"}


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector, whose expressions are all `NotIn`, selects an object with these labels."""
    expressions = selector.get("matchExpressions", [])
    assert {each["operator"] for each in expressions} <= {"NotIn"}
    return selector.get("matchLabels", {}).items() <= labels.items() and not any(
        labels.get(each["key"]) in each["values"] for each in expressions
    )


def as_pod(spec: dict[str, Any]) -> dict[str, Any]:
    """A pod with that spec."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}


def check_schema(document: dict[str, Any]) -> None:
    """Fail if an object does not fit the schema of its kind, which allows no unknown fields."""
    kubernetes_validate.validate(document, "1.34", strict=True)


def documented_overlay(folder: Path) -> Path:
    """Write the overlay of docs/kubernetes.md into a folder, with the documented commands; return its path."""
    # The tag that the images of the test bed have.
    shell = Folder(folder, {"TAG": version("tunepipe")})
    (folder / "k8s").symlink_to(HOME)
    for step in steps((HOME.parent / "docs/kubernetes.md").read_text(encoding="utf-8")):
        if isinstance(step, Command) and step.text.startswith(("mkdir -p lab", "cat > lab/")):
            assert shell.take(step).code == 0, step.text
    return folder / "lab"


def with_components(
    home: Path, below: str, *components: str, part: str = "cluster", images: Any = None
) -> list[dict[str, Any]]:
    """A user's own overlay in a folder: an existing one, a base, or its own `../cluster`, with components."""
    folder = home / part
    folder.mkdir(exist_ok=True)
    k8s = os.path.relpath(HOME, folder.resolve())
    kustomization: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [below if below.startswith("../") else f"{k8s}/{below}"],
        "components": [f"{k8s}/components/{name}" for name in components],
        "images": [{"name": name, **new} for name, new in (images or {}).items()],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return rendered(str(home), part)


def documented_card() -> dict[str, Any]:
    """The components and patches for another card, as docs/kubernetes-reference.md prints them."""
    text = (HOME.parent / "docs/kubernetes-reference.md").read_text(encoding="utf-8")
    documented: dict[str, Any] = yaml.safe_load(
        text.partition("**Another card.**")[2].split("```")[1].removeprefix("text")
    )
    return documented


def with_documented_card(home: Path) -> list[dict[str, Any]]:
    """The cluster of a user's own overlay in a folder with the documented group for another card."""
    with_components(home, "base/ray", "gpu-group")
    file = home / "cluster/kustomization.yaml"
    patches = documented_card()["patches"]
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "patches": patches}))
    return rendered(str(home), "cluster")
