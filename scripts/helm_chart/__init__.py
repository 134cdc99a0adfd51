"""Write the Helm chart k8s/chart from the overlays: python -m scripts.helm_chart.

Kustomize stays the source. An object that is equal in all overlays is one template; one that differs has a branch for
each overlay. The shared cluster is the base's, to which the chart's own templates in `static` apply the same operations as
the components of an overlay, which are data of the chart. Objects of other operators, such as Prometheus' and Kueue's, are
those of components, each with a value that installs it. What a cluster's owner chooses, such as the images, is a value of
the chart.
"""

import json
import shutil
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from pipeline.cluster.overlays import overlays, rendered
from scripts.helm_chart.components import cluster_components, operations_of
from scripts.helm_chart.templates import KEPT, template_of
from scripts.helm_chart.values import NOTES, schema, values

__all__ = ["CHART", "KEPT", "MONITORING", "NOTES", "PARTS", "chart", "named_components", "write"]

CHART = Path(__file__).parents[2] / "k8s/chart"
_K8S = CHART.parent
_STATIC = Path(__file__).with_name("static")
PARTS = ("foundation", "cluster")
"""Parts of an overlay that the chart installs; `tunepipe submit` renders the third, a study, itself."""

MONITORING = {
    ("PodMonitor", "tunepipe"),
    ("PrometheusRule", "tunepipe"),
    ("NetworkPolicy", "metrics"),
    ("ConfigMap", "tunepipe-dashboard"),
}
"""The objects of the component `monitoring`: the chart has them with every overlay, if `monitoring.enabled` is true."""

_SWITCHES = {
    "Namespace": "namespace.create",
    "PriorityClass": "priorityClasses.create",
    "ResourceQuota": "quota.create",
    "LimitRange": "quota.create",
    "PersistentVolumeClaim": "storage.create",
}
"""Values on which the objects of a kind depend, in addition to those of their part: others may have created them, or only others may."""

_COMPONENTS = {
    "s3-keys/network-s3.yaml": ["objectStore.port"],
    "s3-identity/account/service-account.yaml": ["identity.create"],
    "s3-identity/account/network-identity.yaml": ["identity.create", "identity.nodeServers"],
    "kueue/queue/local-queue.yaml": ["kueue.queue.create"],
    "kueue/priorities/priorities.yaml": ["kueue.priorityClasses.create"],
}
"""Files of components that no overlay has, and the values with which the chart installs their objects."""


def chart() -> dict[str, str]:
    """The text of each file of the chart, by its path in the chart."""
    number = version("tunepipe")
    described = {
        "apiVersion": "v2",
        "name": "tunepipe",
        "description": "What tunepipe's hyperparameter studies need in a cluster with the KubeRay operator.",
        "type": "application",
        "version": number,
        "appVersion": number,
        "kubeVersion": ">=1.29.0-0",
    }
    files = {
        "Chart.yaml": yaml.safe_dump(described, sort_keys=False, width=120),
        "values.yaml": values(overlays(), number),
        "values.schema.json": json.dumps(schema(_groups(), named_components()), indent=2) + "\n",
        "templates/NOTES.txt": NOTES,
        "files/components.json": _data(cluster_components(_K8S / "components")),
        "files/overlays.json": _data({each: _overlay(each) for each in overlays()}),
        "files/quotas.json": json.dumps({each: _refused(each) for each in overlays()}, indent=2) + "\n",
    }
    files.update(
        {
            path.relative_to(_STATIC).as_posix(): path.read_text(encoding="utf-8")
            for path in sorted(_STATIC.rglob("*"))
            if path.is_file()
        }
    )
    (cluster,) = (each for each in rendered(str(_K8S), "base/ray") if each["kind"] == "RayCluster")
    page = yaml.safe_load((_K8S / "components/page/deployment.yaml").read_text(encoding="utf-8"))
    for name, each in (("raycluster", cluster), ("page", page)):
        text = f'{{{{- define "tunepipe.{name}" -}}}}\n{template_of(each)}{{{{- end }}}}\n'
        files[f"templates/cluster/_{name}.tpl"] = text
    for part in PARTS:
        for (kind, name), variants in _variants(part).items():
            if kind == "RayCluster":
                continue
            switches = [f"{part}.enabled"]
            if (kind, name) in MONITORING:
                switches.append("monitoring.enabled")
                (text,) = variants
                variants = {text: []}
            elif kind in _SWITCHES:
                switches.append(_SWITCHES[kind])
            files[_path(part, kind, name)] = _template(switches, variants)
    for file, switches in _COMPONENTS.items():
        text = (_K8S / "components" / file).read_text(encoding="utf-8")
        for each in yaml.safe_load_all(text):
            path = _path("foundation", each["kind"], each["metadata"]["name"])
            files[path] = _template(["foundation.enabled", *switches], {template_of(each): []})
    return files


def named_components() -> list[str]:
    """The components that a value of the chart may name, sorted: those of an overlay's `cluster`."""
    return sorted([*cluster_components(_K8S / "components"), "page"])


def write() -> None:
    """Write the chart again."""
    shutil.rmtree(CHART, ignore_errors=True)
    for path, text in chart().items():
        (CHART / path).parent.mkdir(parents=True, exist_ok=True)
        (CHART / path).write_text(text, encoding="utf-8")


def _overlay(name: str) -> dict[str, Any]:
    """The components of an overlay's cluster, and its own operations."""
    return operations_of(_K8S / "overlays" / name / "cluster", _K8S / "components")


def _refused(name: str) -> list[str]:
    """The resources of which an overlay's quota has none."""
    (quota,) = (each for each in rendered(name, "foundation") if each["kind"] == "ResourceQuota")
    return [resource for resource, amount in quota["spec"]["hard"].items() if amount == "0"]


def _data(named: dict[str, dict[str, Any]]) -> str:
    """Components as JSON, with a line for each operation."""
    texts = []
    for name, each in named.items():
        kinds = (
            f"{json.dumps(kind)}: [\n      {lines}\n    ]"
            for kind, lines in (
                (kind, ",\n      ".join(json.dumps(one) for one in operations))
                for kind, operations in each["operations"].items()
            )
        )
        included = json.dumps(each["components"])
        texts.append(f'  {json.dumps(name)}: {{"components": {included}, "operations": {{{", ".join(kinds)}}}}}')
    return "{\n" + ",\n".join(texts) + "\n}\n"


def _path(part: str, kind: str, name: str) -> str:
    return f"templates/{part}/{kind.lower()}-{name}.yaml"


def _groups() -> dict[str, list[str]]:
    """The names of each overlay's groups of workers."""
    clusters = {
        overlay: each["spec"]
        for overlay in overlays()
        for each in rendered(overlay, "cluster")
        if each["kind"] == "RayCluster"
    }
    return {overlay: [each["groupName"] for each in spec["workerGroupSpecs"]] for overlay, spec in clusters.items()}


def _variants(part: str) -> dict[tuple[str, str], dict[str, list[str]]]:
    """For each kind and name: its templates, and the overlays that have each of them."""
    objects: dict[tuple[str, str], dict[str, list[str]]] = {}
    for overlay in overlays():
        for each in rendered(overlay, part):
            key = each["kind"], each["metadata"]["name"]
            objects.setdefault(key, {}).setdefault(template_of(each), []).append(overlay)
    return objects


def _template(switches: Iterable[str], variants: dict[str, list[Any]]) -> str:
    """A file of the chart: templates of one object, each for some overlays, or for all where none is named."""
    blocks = []
    for text, within in variants.items():
        conditions = [f".Values.{switch}" for switch in switches]
        if within:
            conditions.append(f"(has .Values.overlay (list {' '.join(json.dumps(overlay) for overlay in within)}))")
        blocks.append(f"{{{{- if and {' '.join(conditions)} }}}}\n{text}{{{{- end }}}}\n")
    return "".join(blocks)
