"""Write the Helm chart k8s/chart from the overlays: python -m scripts.helm_chart.

Kustomize stays the source. An object that is equal in all overlays is one template; one that differs has a branch for
each overlay. What a cluster's owner chooses, such as the images, is a value of the chart.
"""

import json
import re
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from pipeline.cluster.rayjob import overlays, rendered

__all__ = ["CHART", "KEPT", "NOTES", "PARTS", "chart"]

CHART = Path(__file__).parents[1] / "k8s/chart"
PARTS = ("foundation", "cluster")
"""Parts of an overlay that the chart installs; `tunepipe submit` renders the third, a study, itself."""

KEPT = {"Namespace", "PersistentVolumeClaim"}
"""Kinds with an annotation that `helm uninstall` obeys: the claim holds all studies, and its namespace the claim."""

_NAMESPACE = "tunepipe"
_KEPT_BY = {"helm.sh/resource-policy": "keep"}
_SWITCHES = {
    "Namespace": "namespace.create",
    "PriorityClass": "priorityClasses.create",
    "ResourceQuota": "quota.create",
    "LimitRange": "quota.create",
    "PodMonitor": "monitoring.enabled",
    "PrometheusRule": "monitoring.enabled",
}
"""Values on which the objects of a kind depend, beside those of their part: others may have made them, or may alone."""
_MARKS = {
    "MARK-NAMESPACE": "{{ .Values.namespace.name }}",
    "MARK-CPU-IMAGE": "{{ .Values.images.cpu | quote }}",
    "MARK-GPU-IMAGE": "{{ .Values.images.gpu | quote }}",
    "MARK-OPERATOR": "{{ .Values.operator.namespaces | toJson }}",
    "MARK-S3-PORT": "{{ .Values.objectStore.port }}",
}
_FIELDS = {
    "MARK-STORAGE-CLASS": ("storageClassName", ".Values.storage.className", "quote"),
    "MARK-PULL-SECRETS": ("imagePullSecrets", ".Values.imagePullSecrets", "toJson"),
}
"""Fields that no overlay has, and that an object gets if their value is not empty: name, value, and Helm's function."""
_VERSION = version("tunepipe")
_IMAGES = {f"tunepipe-{kind}:{_VERSION}": f"MARK-{kind.upper()}-IMAGE" for kind in ("cpu", "gpu")}

_VALUES = """\
# Values of the chart. Its objects are those of the Kustomize overlays in k8s/overlays.

# The overlay whose sizes, quota and GPU groups are installed: {overlays}.
overlay: prod-gpu

namespace:
  # The namespace of all objects. `helm --namespace` only says where Helm keeps its record of the release.
  name: tunepipe
  # Whether the chart makes the namespace, with the labels of the restricted pod security standard. Set it to false if the
  # namespace exists already, also where `helm --create-namespace` makes it.
  create: true

# The classes tunepipe-head and tunepipe-worker, which all pods name, belong to the whole cluster. Set it to false if you may
# write to one namespace only, or if another release has made them: an administrator then makes them once, from
# k8s/base/foundation/priority-head.yaml and priority-worker.yaml.
priorityClasses:
  create: true

# The ResourceQuota and the LimitRange of the namespace, which its owner may often not write.
quota:
  create: true

# Quota, rights, priorities, network policies, the volume for studies: everything that `tunepipe submit` needs.
foundation:
  enabled: true

# A Ray cluster that stays, for `tunepipe submit --address`. A study submitted with --kubernetes has a cluster of its own.
cluster:
  enabled: false

# Images of that cluster; those of a study are named by its overlay. Whole names: REGISTRY/tunepipe-cpu:VERSION, or pinned,
# REGISTRY/tunepipe-cpu@sha256:….
images:
  cpu: tunepipe-cpu:{version}
  gpu: tunepipe-gpu:{version}

# Secrets with passwords of registries, as [{{name: tunepipe-registry}}]: for the accounts, and for the head of that cluster. The
# head of a study has them from the component pull-secret/pods of its overlay.
imagePullSecrets: []

# The namespaces in which KubeRay's operator may run: only its pods reach port 8265 of a head.
operator:
  namespaces: [kuberay-operator, kuberay-system, kuberay]

# The port of an object store of your own that does not listen on port 443, such as 9000; 0: none. Its keys come from the
# Secret tunepipe-s3 (k8s/components/s3-keys).
objectStore:
  port: 0

storage:
  # Empty: the default class of the cluster. The class must offer ReadWriteMany.
  className: ""
  # Empty: the size of the overlay.
  size: ""

# Objects of the Prometheus operator, where the overlay has them.
monitoring:
  enabled: true
"""

NOTES = """\
tunepipe's objects are in the namespace {{ .Values.namespace.name }}. Submit a study:

  tunepipe submit mnist-asha --kubernetes --overlay {{ .Values.overlay }} --namespace {{ .Values.namespace.name }} --storage /studies

The pods of a study are those of its overlay, and the chart's values do not reach them. If your images are in a registry, write an
overlay of your own that names them (docs/cluster.md, Kubernetes), and give its path to --overlay; or give one image for all pods to
--image.

helm uninstall keeps the namespace and the volume claim with all studies. To delete the studies, too:

  kubectl delete persistentvolumeclaim/studies --namespace {{ .Values.namespace.name }}
"""
"""What Helm prints when it has installed the chart."""


def _schema() -> dict[str, Any]:
    """The JSON Schema of the values: a misspelt value is refused, not ignored."""

    def fields(**properties: dict[str, Any]) -> dict[str, Any]:
        # A value that is set to null is one that is absent.
        required = list(properties)
        return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}

    flag, text, name = {"type": "boolean"}, {"type": "string"}, {"type": "string", "minLength": 1}
    secrets = {"type": "array", "items": fields(name=name)}
    namespaces = {"type": "array", "items": name, "minItems": 1}
    values = fields(
        overlay={"enum": list(overlays())},
        namespace=fields(name=name, create=flag),
        priorityClasses=fields(create=flag),
        quota=fields(create=flag),
        foundation=fields(enabled=flag),
        cluster=fields(enabled=flag),
        images=fields(cpu=name, gpu=name),
        imagePullSecrets=secrets,
        operator=fields(namespaces=namespaces),
        objectStore=fields(port={"type": "integer", "minimum": 0, "maximum": 65535}),
        storage=fields(className=text, size=text),
        monitoring=fields(enabled=flag),
    )
    # A chart that includes this one may hand down its globals.
    values["properties"]["global"] = {"type": "object"}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **values}


def chart() -> dict[str, str]:
    """The text of each file of the chart, by its path in the chart."""
    described = {
        "apiVersion": "v2",
        "name": "tunepipe",
        "description": "What tunepipe's hyperparameter studies need in a cluster with the KubeRay operator.",
        "type": "application",
        "version": _VERSION,
        "appVersion": _VERSION,
        "kubeVersion": ">=1.29.0-0",
    }
    files = {
        "Chart.yaml": yaml.safe_dump(described, sort_keys=False, width=120),
        "values.yaml": _VALUES.format(overlays=", ".join(overlays()), version=_VERSION),
        "values.schema.json": json.dumps(_schema(), indent=2) + "\n",
        "templates/NOTES.txt": NOTES,
    }
    for part in PARTS:
        for (kind, name), variants in _variants(part).items():
            files[f"templates/{part}/{kind.lower()}-{name}.yaml"] = _template(part, kind, variants)
    files["templates/foundation/networkpolicy-s3.yaml"] = _template(
        "foundation", "NetworkPolicy", {_text(_object_store()): list(overlays())}, ".Values.objectStore.port"
    )
    return files


def write() -> None:
    """Write the chart again."""
    shutil.rmtree(CHART, ignore_errors=True)
    for path, text in chart().items():
        (CHART / path).parent.mkdir(parents=True, exist_ok=True)
        (CHART / path).write_text(text, encoding="utf-8")


def _variants(part: str) -> dict[tuple[str, str], dict[str, list[str]]]:
    """For each kind and name: its texts, and the overlays that have each of them."""
    objects: dict[tuple[str, str], dict[str, list[str]]] = {}
    for overlay in overlays():
        for each in rendered(overlay, part):
            key = each["kind"], each["metadata"]["name"]
            objects.setdefault(key, {}).setdefault(_text(each), []).append(overlay)
    return objects


def _object_store() -> dict[str, Any]:
    """The policy of the component `s3-keys` with the port as a value; no overlay has it."""
    path = CHART.parent / "components/s3-keys/network-s3.yaml"
    policy: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    policy["spec"]["egress"][0]["ports"][0]["port"] = "MARK-S3-PORT"
    return policy


def _text(node: dict[str, Any]) -> str:
    """The template of an object."""
    return _templated(yaml.safe_dump(_marked(node), sort_keys=False, width=10_000))


def _marked(node: Any, key: str = "") -> Any:
    """An object in which marks stand for values of the chart."""
    if isinstance(node, dict):
        named = {name: _marked(value, name) for name, value in node.items()}
        if node.get("kind") in KEPT:
            named["metadata"]["annotations"] = {**named["metadata"].get("annotations", {}), **_KEPT_BY}
        if node.get("kind") == "Namespace":
            named["metadata"]["name"] = "MARK-NAMESPACE"
        if node.get("kind") == "PersistentVolumeClaim":
            named["spec"]["resources"]["requests"]["storage"] += " MARK-SIZE"
            named["spec"] = {"MARK-STORAGE-CLASS": None, **named["spec"]}
        # Not a role's subject.
        if node.get("kind") == "ServiceAccount" and "metadata" in node:
            named = {"MARK-PULL-SECRETS": None, **named}
        # Its account is made by KubeRay; those of the other pods have the secrets.
        if key == "headGroupSpec":
            named["template"]["spec"] = {"MARK-PULL-SECRETS": None, **named["template"]["spec"]}
        if node.get("key") == "kubernetes.io/metadata.name" and "kuberay-operator" in node["values"]:
            named["values"] = "MARK-OPERATOR"
        return named
    if isinstance(node, list):
        return [_marked(value) for value in node]
    if key == "namespace" and node == _NAMESPACE:
        return "MARK-NAMESPACE"
    if key == "image":
        return _IMAGES[node]
    return node


def _templated(text: str) -> str:
    """The template of a marked object: braces of its own are kept from Helm."""
    text = re.sub(r"\{\{|\}\}", lambda braces: '{{ "' + braces[0] + '" }}', text)
    for mark, value in _MARKS.items():
        text = text.replace(mark, value)
    for mark, (name, value, function) in _FIELDS.items():
        field = rf"\1{{{{- with {value} }}}}\n\1{name}: {{{{ . | {function} }}}}\n\1{{{{- end }}}}\n"
        text = re.sub(rf"^( *){mark}: null\n", field, text, flags=re.MULTILINE)
    return re.sub(r"(\S+) MARK-SIZE", r'{{ .Values.storage.size | default "\1" }}', text)


def _template(part: str, kind: str, variants: dict[str, list[str]], *more: str) -> str:
    conditions = [f".Values.{part}.enabled", *more]
    if kind in _SWITCHES:
        conditions.append(f".Values.{_SWITCHES[kind]}")
    blocks = []
    for text, within in variants.items():
        names = " ".join(f'"{overlay}"' for overlay in within)
        every = [*conditions, f"(has .Values.overlay (list {names}))"]
        blocks.append(f"{{{{- if and {' '.join(every)} }}}}\n{text}{{{{- end }}}}\n")
    return "".join(blocks)


if __name__ == "__main__":
    write()
