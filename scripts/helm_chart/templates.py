"""The Helm template of an object: marks for the values of the chart, which then become Helm's expressions."""

import re
from importlib.metadata import version
from typing import Any

import yaml

KEPT = {"Namespace", "PersistentVolumeClaim"}
"""Kinds with an annotation that `helm uninstall` obeys: the claim holds all studies, and its namespace the claim."""

_NAMESPACE = "tunepipe"
_PROMETHEUS = "monitoring"
_KEPT_BY = {"helm.sh/resource-policy": "keep"}
_MONITORS = {"PodMonitor", "PrometheusRule"}
_MARKS = {
    "MARK-NAMESPACE": "{{ .Values.namespace.name | quote }}",
    "MARK-CPU-IMAGE": "{{ .Values.images.cpu | quote }}",
    "MARK-GPU-IMAGE": "{{ .Values.images.gpu | quote }}",
    "MARK-OPERATOR": "{{ .Values.operator.namespaces | toJson }}",
    "MARK-PROMETHEUS": "{{ .Values.monitoring.namespace | quote }}",
    "MARK-S3-PORT": "{{ .Values.objectStore.port }}",
    "MARK-QUEUE": "{{ .Values.kueue.queue.name | quote }}",
    "MARK-CLUSTER-QUEUE": "{{ .Values.kueue.queue.clusterQueue | quote }}",
    "MARK-NODE-SELECTOR": "{{ .Values.cluster.nodeSelector | toJson }}",
}
_FIELDS = {
    "MARK-VOLUME-NAME": ("volumeName", ".Values.storage.volumeName", "quote"),
    "MARK-PULL-SECRETS": ("imagePullSecrets", ".Values.imagePullSecrets", "toJson"),
    "MARK-ANNOTATIONS": ("annotations", ".Values.identity.annotations", "toJson"),
}
"""Fields that no overlay has, and that an object gets if their value is not empty: name, value, and Helm's function."""
_TEXTS = {"MARK-STORAGE-CLASS": ("storageClassName", ".Values.storage.className")}
"""Such fields whose empty text has its own meaning: an object gets them if their value is a text."""
_LABELS = {
    "MARK-LABELS": ".Values.labels",
    "MARK-MONITOR-LABELS": "merge (deepCopy .Values.monitoring.labels) .Values.labels",
}
"""Labels that an object or a pod has beside its own."""
_NAME_SERVERS = r"""\1{{- range .Values.dns.servers }}
\1- ipBlock:
\1    cidr: {{ . | quote }}
\1{{- end }}
"""
_HTTPS = r"""\1{{- with .Values.https.networks }}
\1to:
\1{{- range . }}
\1- ipBlock:
\1    cidr: {{ . | quote }}
\1{{- end }}
\1{{- end }}
"""
_IMAGES = {f"tunepipe-{kind}:{version('tunepipe')}": f"MARK-{kind.upper()}-IMAGE" for kind in ("cpu", "gpu")}


def template_of(node: dict[str, Any]) -> str:
    """The template of an object."""
    return _templated(yaml.safe_dump(_marked(node), sort_keys=False, width=10_000))


def _marked(node: Any, key: str = "") -> Any:
    """An object in which marks stand for values of the chart."""
    if isinstance(node, dict):
        named = {name: _marked(value, name) for name, value in node.items()}
        _mark_object(node, named)
        # Its account is made by KubeRay; those of the other pods have the secrets.
        if key == "headGroupSpec":
            named["template"]["spec"] = {"MARK-PULL-SECRETS": None, **named["template"]["spec"]}
        if "containers" in node:
            named["nodeSelector"] = "MARK-NODE-SELECTOR"
        if node.get("key") == "kubernetes.io/metadata.name" and "kuberay-operator" in node["values"]:
            named["values"] = "MARK-OPERATOR"
        if node.get("kubernetes.io/metadata.name") == _PROMETHEUS:
            named["kubernetes.io/metadata.name"] = "MARK-PROMETHEUS"
        if key == "metadata" and "labels" in node:
            named["labels"]["MARK-LABELS"] = None
        return named
    if isinstance(node, list):
        return [_marked(value) for value in node]
    if key == "namespace" and node == _NAMESPACE:
        return "MARK-NAMESPACE"
    if key == "image":
        return _IMAGES[node]
    return node


def _mark_object(node: dict[str, Any], named: dict[str, Any]) -> None:
    """Mark what values change in objects of some kinds."""
    # Not a role's subject.
    kind = node.get("kind") if "metadata" in node else None
    if kind in KEPT:
        named["metadata"]["annotations"] = {**named["metadata"].get("annotations", {}), **_KEPT_BY}
    if kind in _MONITORS:
        del named["metadata"]["labels"]["MARK-LABELS"]
        named["metadata"]["labels"]["MARK-MONITOR-LABELS"] = None
    if kind == "Namespace":
        named["metadata"]["name"] = "MARK-NAMESPACE"
    elif kind == "PersistentVolumeClaim":
        named["spec"]["resources"]["requests"]["storage"] += " MARK-SIZE"
        (mode,) = node["spec"]["accessModes"]
        named["spec"]["accessModes"] = f"{mode} MARK-ACCESS-MODES"
        named["spec"] = {"MARK-STORAGE-CLASS": None, "MARK-VOLUME-NAME": None, **named["spec"]}
    elif kind == "ServiceAccount":
        if "annotations" in node["metadata"]:
            del named["metadata"]["annotations"]
            named["metadata"] = {"MARK-ANNOTATIONS": None, **named["metadata"]}
        named.update({"MARK-PULL-SECRETS": None, **{name: named.pop(name) for name in list(named)}})
    elif kind == "ResourceQuota":
        amounts = {name: f"{amount} MARK-AMOUNT" for name, amount in node["spec"]["hard"].items()}
        named["spec"]["hard"] = {**amounts, "MARK-AMOUNTS": " ".join(f'"{name}"' for name in amounts)}
    elif kind == "LocalQueue":
        named["metadata"]["name"] = "MARK-QUEUE"
        named["spec"]["clusterQueue"] = "MARK-CLUSTER-QUEUE"
    elif kind == "NetworkPolicy" and node["metadata"]["name"] == "s3":
        named["spec"]["egress"][0]["ports"][0]["port"] = "MARK-S3-PORT"
    elif kind == "NetworkPolicy" and node["metadata"]["name"] == "https":
        named["spec"]["egress"][0]["MARK-HTTPS"] = None
    elif kind == "NetworkPolicy" and node["metadata"]["name"] == "dns":
        named["spec"]["egress"][0]["to"].append("MARK-NAME-SERVERS")


def _templated(text: str) -> str:
    """The template of a marked object: braces of its own are kept from Helm."""
    text = re.sub(r"\{\{|\}\}", lambda braces: '{{ "' + braces[0] + '" }}', text)
    for mark, value in _MARKS.items():
        text = re.sub(rf"\b{mark}\b", value, text)
    for mark, (name, value, function) in _FIELDS.items():
        field = rf"\1{{{{- with {value} }}}}\n\1{name}: {{{{ . | {function} }}}}\n\1{{{{- end }}}}\n"
        text = re.sub(rf"^( *){mark}: null\n", field, text, flags=re.MULTILINE)
    for mark, (name, value) in _TEXTS.items():
        field = rf'\1{{{{- if kindIs "string" {value} }}}}\n\1{name}: {{{{ {value} | quote }}}}\n\1{{{{- end }}}}\n'
        text = re.sub(rf"^( *){mark}: null\n", field, text, flags=re.MULTILINE)
    for mark, value in _LABELS.items():
        labels = (
            rf"\1{{{{- range $name, $value := {value} }}}}" "\n"
            r"\1{{ $name }}: {{ $value | quote }}" "\n"
            r"\1{{- end }}" "\n"
        )  # fmt: skip
        text = re.sub(rf"^( *){mark}: null\n", labels, text, flags=re.MULTILINE)
    text = re.sub(r"^( *)- MARK-NAME-SERVERS\n", _NAME_SERVERS, text, flags=re.MULTILINE)
    text = re.sub(r"^( *)MARK-HTTPS: null\n", _HTTPS, text, flags=re.MULTILINE)
    modes = r'{{ .Values.storage.accessModes | default (list "\1") | toJson }}'
    text = re.sub(r"(\S+) MARK-ACCESS-MODES", modes, text)
    text = re.sub(r"(\S+) MARK-SIZE", r'{{ .Values.storage.size | default "\1" }}', text)
    amount = r'\1\2: {{ dig "\2" "\3" .Values.quota.hard | quote }}'
    text = re.sub(r"^( *)(\S+): (\S+) MARK-AMOUNT$", amount, text, flags=re.MULTILINE)
    more = (
        r"\1{{- range $name, $amount := omit .Values.quota.hard \2 }}" "\n"
        r"\1{{ $name }}: {{ $amount | quote }}" "\n"
        r"\1{{- end }}" "\n"
    )  # fmt: skip
    return re.sub(r"^( *)MARK-AMOUNTS: '?(.*?)'?\n", more, text, flags=re.MULTILINE)
