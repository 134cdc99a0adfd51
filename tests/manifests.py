"""The manifests in k8s/: those that are part of tunepipe, and those that Helm makes of the chart with other values."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import utils

from scripts.documentation import Command, Folder, steps

Objects = dict[tuple[str, str], dict[str, Any]]

HOME = Path(__file__).parents[1] / "k8s"
NAMES = ("local-cpu", "prod-gpu")
RAY = {"RayCluster", "RayJob"}
PLATFORM = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
"""The labels of the nodes that the images are for."""

TABLE = yaml.safe_load((HOME / "chart/files/gpus.yaml").read_text())
FOUNDATION = {name: {"enabled": False} for name in ("cluster", "study", "page")}
"""Values without the objects of clusters."""

# It would read megabytes of definitions for each object.
utils.schema_contents = cache(utils.schema_contents)

_BUILT = Path(os.environ.get("TUNEPIPE_TESTBED_CACHE", "~/.cache/tunepipe-testbed")).expanduser() / "bin/helm"


def helm() -> str:
    """The path of Helm: an installed one, or that of the Kubernetes test bed."""
    if (found := shutil.which("helm") or shutil.which(str(_BUILT))) is None:
        pytest.skip("Helm is not installed; `python -m tests.kubernetes.testbed build` builds it")
    return found


def templated(values: dict[str, Any], *words: str) -> subprocess.CompletedProcess[str]:
    """What Helm says to the chart with these values."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "values.yaml")
        file.write_text(yaml.safe_dump(values))
        # A Helm built from its module does not know which Kubernetes it was made for.
        command = [helm(), "template", "tunepipe", str(HOME / "chart"), "--kube-version", "1.34.0", *words]
        return subprocess.run([*command, "--values", file], capture_output=True, text=True, check=False)


def current(name: str, *, study: bool) -> str:
    """A file of k8s/rendered as the chart makes it now, without the comments of the templates."""
    only = ("--set", "study.enabled=true", "--show-only", "templates/study.yaml") if study else ()
    made = templated(yaml.safe_load((HOME / f"values/{name}.yaml").read_text()), *only)
    assert made.returncode == 0, made.stderr
    return "".join(line for line in made.stdout.splitlines(keepends=True) if not line.lstrip().startswith("#"))


def charted(**values: Any) -> Objects:
    """All that the chart can make with these values, by kind and name."""
    everything = {"cluster": {"enabled": True}, "study": {"enabled": True}, "page": {"enabled": True}}
    return dict(_charted(json.dumps({**everything, **values})))


@cache
def _charted(values: str) -> Objects:
    made = templated(json.loads(values))
    assert made.returncode == 0, made.stderr
    return _named(made.stdout)


def plain(name: str) -> Objects:
    """The manifests of a name in k8s/rendered, with its study."""
    return _named("\n---\n".join((HOME / f"rendered/{name}{kind}.yaml").read_text() for kind in ("", "-study")))


def _named(text: str) -> Objects:
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.load_all(text, yaml.CSafeLoader) if each}


def study(objects: Objects) -> dict[str, Any]:
    """The spec of the RayJob."""
    (spec,) = (each["spec"] for (kind, _), each in objects.items() if kind == "RayJob")
    return dict(spec)


def driver_environment(objects: Objects) -> dict[str, str]:
    """The environment variables of the RayJob's driver."""
    return dict(yaml.safe_load(study(objects)["runtimeEnvYAML"])["env_vars"])


def groups(objects: Objects) -> dict[str, dict[str, Any]]:
    """The groups of workers of the RayJob by their names."""
    return {each["groupName"]: each for each in study(objects)["rayClusterSpec"]["workerGroupSpecs"]}


def pod(group: dict[str, Any]) -> dict[str, Any]:
    """The spec of a group's pod."""
    return dict(group["template"]["spec"])


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


def refused_labels(spec: dict[str, Any]) -> set[str]:
    """The labels of nodes by which a pod refuses nodes."""
    required = (
        spec.get("affinity", {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution", {})
    )
    terms = required.get("nodeSelectorTerms", [])
    return {each["key"] for term in terms for each in term["matchExpressions"] if each["operator"] != "In"}


def as_pod(spec: dict[str, Any]) -> dict[str, Any]:
    """A pod with that spec."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}


def check_schema(document: dict[str, Any]) -> None:
    """Fail if an object does not fit the schema of its kind, which allows no unknown fields."""
    kubernetes_validate.validate(document, "1.34", strict=True)


def documented_values(folder: Path) -> Path:
    """Write the values of docs/kubernetes.md into a folder, with the documented command; return their path."""
    # The tag that the images of the test bed have.
    shell = Folder(folder, {"TAG": version("tunepipe")})
    for step in steps((HOME.parent / "docs/kubernetes.md").read_text(encoding="utf-8")):
        if isinstance(step, Command) and step.text.startswith("cat > lab.yaml"):
            assert shell.take(step).code == 0, step.text
    return folder / "lab.yaml"
