"""The values of the Helm chart: their text with defaults, their JSON Schema, and the notes after an installation."""

from collections.abc import Mapping, Sequence
from typing import Any

_VALUES = """\
# Values of the chart. Its objects are those of the Kustomize overlays in k8s/overlays. With these defaults, it needs no
# operator and no definitions of one to be installed; studies need KubeRay's.

# The overlay whose sizes, quota and components are installed: {overlays}. Its GPU groups select nodes of
# Google's clusters: cluster.components names those of other clouds for the shared cluster. The groups of a study are those of
# its own overlay.
overlay: prod-gpu

namespace:
  # The namespace of all objects. `helm --namespace` only says where Helm keeps its record of the release.
  name: tunepipe
  # Whether the chart makes the namespace, with the labels of the restricted pod security standard. Set it to false if the
  # namespace exists already, also where `helm --create-namespace` makes it.
  create: true

# Labels of all objects and of the pods of the shared cluster, beside their own, as the policies of a cluster may require:
# {{cost-center: "42"}}. The pods of a study have those of their overlay.
labels: {{}}

# The classes tunepipe-head and tunepipe-worker, which all pods name, belong to the whole cluster. Set it to false if you may
# write to one namespace only, or if another release has made them: an administrator then makes them once, from
# k8s/base/foundation/priority-head.yaml and priority-worker.yaml.
priorityClasses:
  create: true

quota:
  # The ResourceQuota and the LimitRange of the namespace, which its owner may often not write.
  create: true
  # Amounts other than the overlay's, or of other resources: {{requests.nvidia.com/gpu: "12", pods: "60"}}.
  hard: {{}}

# Quota, rights, priorities, network policies, the volume for studies: everything that `tunepipe submit` needs.
foundation:
  enabled: true

cluster:
  # A Ray cluster that stays, for `tunepipe submit --address`. A study submitted with --kubernetes has a separate cluster.
  # It needs KubeRay's definitions.
  enabled: false
  # The components that change it, from k8s/components, in the order in which an overlay's cluster/ names them: for example
  # [token, eks/gpu-a100, eks/gpu-l4-spot, s3-identity/pods], or [token, gpu-l4, runtime-class, page, openshift]. null: those of
  # the overlay, with its sizes. The quota stays that of the overlay: quota.hard has amounts for resources of which it has none.
  components: null
  # Operations of JSON Patch after the components, as the patches of an overlay; with gpu-group among the components, they make a
  # group for another card (docs/kubernetes-reference.md, Clouds):
  # {{RayCluster: [{{op: replace, path: /spec/headGroupSpec/template/spec/containers/0/resources/limits/cpu, value: "4"}}]}}. For
  # the live page, Deployment.
  patches: {{}}
  # The most pods of a group of that cluster, where it is not the component's, by the group's name: {{gpu-l4: 4}}.
  maxReplicas: {{}}
  # Labels of the nodes for its head and for its pods without GPUs: the images are for Linux on amd64. GPU groups have those of their
  # components.
  nodeSelector:
    kubernetes.io/os: linux
    kubernetes.io/arch: amd64
  # The labels of a group's nodes, instead of those of its component, and taints that its pods tolerate besides
  # nvidia.com/gpu, by the group's name: {{gpu-t4: {{nodeSelector: {{karpenter.k8s.aws/instance-gpu-name: t4}},
  # tolerations: [{{key: sku, operator: Equal, value: gpu, effect: NoSchedule}}]}}}}. The components of each cloud have its labels.
  groups: {{}}

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
  namespaces: [kuberay-operator, kuberay-system, kuberay, ray-system]

# Networks of name servers, besides those that the policy `dns` names. The name server of EKS Auto Mode is not a pod; it has the
# tenth address of the cluster's service network, usually [10.100.0.10/32] or [172.20.0.10/32].
dns:
  servers: []

https:
  # The networks that pods may reach by HTTPS (port 443), such as [10.20.0.0/16]; empty: all. Object stores are there, and the API
  # server where it listens on port 443, which the head's autoscaler asks.
  networks: []

# The port of your own object store that does not listen on port 443, such as 9000; 0: none. Its keys come from the
# Secret tunepipe-s3 (k8s/components/s3-keys).
objectStore:
  port: 0

identity:
  # The account tunepipe-storage, for studies on an object store without keys. Pods are that account with the component
  # s3-identity/pods, on Azure aks/identity/pods, in cluster.components, and studies with the same in their overlay.
  create: false
  # How the cloud knows the account: {{eks.amazonaws.com/role-arn: arn:aws:iam::…}}, {{iam.gke.io/gcp-service-account: …}}, or
  # {{azure.workload.identity/client-id: …}}; empty where the cloud itself binds the account to a role (EKS Pod Identity,
  # Google's direct grants).
  annotations: {{}}
  # Whether pods reach the servers on nodes that hand out credentials: Google's metadata server and EKS Pod Identity. Roles of EKS
  # by annotation and identities of Azure need none.
  nodeServers: true

storage:
  # Whether the chart makes the claim `studies`. Set it to false if you make a claim of this name yourself, before studies run, or if
  # all studies are in object stores and pods have the component no-volume/pods.
  create: true
  # null: the default class of the cluster. "": no class, so that nothing is made for the claim, which is bound to a volume that
  # exists. A class must offer the access modes: azurefile-csi of AKS, standard-rwx of Google (with the size 1Ti), or your own.
  className: null
  # The name of a PersistentVolume that exists; empty: any. With a volume without a class, set className to "".
  volumeName: ""
  # Empty: those of the overlay: ReadWriteMany, or in local-cpu ReadWriteOnce.
  accessModes: []
  # Empty: the size of the overlay.
  size: ""

monitoring:
  # A PodMonitor, alerts, the way for Prometheus to the metrics, and a dashboard of Grafana. They need the definitions of
  # Prometheus' operator: without these, Helm refuses the release.
  enabled: false
  # The namespace in which Prometheus runs: only pods there reach the metrics.
  namespace: monitoring
  # Labels of the PodMonitor and of the PrometheusRule, if Prometheus selects them by labels: {{release: kube-prometheus-stack}}.
  labels: {{}}

# Objects of Kueue, which need its definitions (Kueue 0.15 or newer).
kueue:
  queue:
    # The LocalQueue in which studies wait. An overlay's component kueue names the queue tunepipe; `submit --queue` another.
    create: false
    name: tunepipe
    # The ClusterQueue to which it belongs, which exists.
    clusterQueue: tunepipe
  priorityClasses:
    # The WorkloadPriorityClasses tunepipe, tunepipe-low and tunepipe-high, which belong to the whole cluster.
    # `submit --priority` names any other class.
    create: false
"""

NOTES = """\
tunepipe's objects are in the namespace {{ .Values.namespace.name }}. Submit a study:

  tunepipe submit mnist-asha --kubernetes --overlay {{ .Values.overlay }} --namespace {{ .Values.namespace.name }} --storage /studies

The pods of a study are those of its overlay, and the chart's values do not reach them. If your images are in a registry, write your
own overlay that names them (docs/kubernetes.md), and give its path to --overlay; or give one image for all pods to
--image. With Kueue, such an overlay has the component kueue; --queue and --priority name another queue and priority.
{{- $pods := (include "tunepipe.components" . | fromJson).names }}
{{- if and .Values.cluster.enabled (not .Values.identity.create) (or (has "s3-identity/pods" $pods) (has "aks/identity/pods" $pods)) }}

The pods of the shared cluster are the account tunepipe-storage, which this release does not make: make it yourself, or set
identity.create to true. Without it, no pod is created.
{{- end }}
{{- if .Values.storage.create }}

helm uninstall keeps the namespace and the volume claim with all studies. To delete the studies, too:

  kubectl delete persistentvolumeclaim/studies --namespace {{ .Values.namespace.name }}
{{- end }}
"""
"""What Helm prints when it has installed the chart."""


def values(overlays: Sequence[str], version: str) -> str:
    """The text of values.yaml."""
    return _VALUES.format(overlays=", ".join(overlays), version=version)


def schema(groups: Mapping[str, Sequence[str]], components: Sequence[str]) -> dict[str, Any]:
    """The JSON Schema of the values: a misspelt value, or a group that the overlay does not have, is refused."""

    def fields(**properties: dict[str, Any]) -> dict[str, Any]:
        # A value that is set to null is one that is absent.
        required = list(properties)
        return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}

    def has(**properties: dict[str, Any]) -> dict[str, Any]:
        return {"properties": properties}

    flag, text = {"type": "boolean"}, {"type": "string"}
    name = {"type": "string", "pattern": r"^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$"}
    namespace = {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}
    # With a tag that is a version, or a digest: without one, each node has whatever was the newest when it pulled.
    image = {
        "type": "string",
        "pattern": r"^[^\s@]*[^\s@/](:[\w.-]+)?@sha256:[0-9a-f]{64}$|^[^\s@]*[^\s@/]:[\w.-]+$",
        "not": {"pattern": ":latest$"},
    }
    secrets = {"type": "array", "items": fields(name=name)}
    namespaces = {"type": "array", "items": namespace, "minItems": 1}
    bits = "(12[0-8]|1[01][0-9]|[1-9]?[0-9])"
    networks = {"type": "array", "items": {"type": "string", "pattern": f"^[0-9a-fA-F:.]+/{bits}$"}}
    quantity = r"[0-9]+(\.[0-9]+)?([mkMGTPE]|[KMGTPE]i)?"
    # A resource's amount, and not the null with which Helm removes a value.
    amount = {"type": ["string", "integer"], "pattern": f"^{quantity}$", "minimum": 0}
    amounts = {"type": "object", "propertyNames": {"pattern": r"^[^\s:]+$"}, "additionalProperties": amount}
    most = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}
    labels = {"type": "object", "additionalProperties": text}
    modes = {"type": "array", "items": {"enum": ["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"]}}
    size = {"type": "string", "pattern": f"^({quantity})?$"}
    storage = fields(create=flag, volumeName=text, accessModes=modes, size=size)
    # Objects have these of their own.
    reserved = r"^((app|pod-security)\.kubernetes\.io|ray\.io)/|^grafana_dashboard$"
    more = {**labels, "propertyNames": {"pattern": r"^[^\s:]+$", "not": {"pattern": reserved}}}
    # Helm removes a value that is null by default, or is set to null.
    storage["properties"]["className"] = {"type": ["string", "null"]}
    # A toleration without a key tolerates every taint.
    toleration = {
        "type": "object",
        "additionalProperties": False,
        "required": ["key"],
        "properties": {
            "key": {"type": "string", "minLength": 1},
            "operator": {"enum": ["Equal", "Exists"]},
            "value": text,
            "effect": {"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
            "tolerationSeconds": {"type": "integer", "minimum": 0},
        },
    }
    nodes = {"nodeSelector": labels, "tolerations": {"type": "array", "items": toleration}}
    group = {"type": "object", "additionalProperties": False, "properties": nodes}
    operation = {
        "type": "object",
        "additionalProperties": False,
        "required": ["op", "path"],
        "properties": {
            "op": {"enum": ["add", "copy", "move", "remove", "replace", "test"]},
            "path": {"type": "string", "pattern": "^/"},
            "from": {"type": "string", "pattern": "^/"},
            "value": {},
        },
        "allOf": [
            {"if": has(op={"enum": ops}), "then": {"required": [field]}}
            for ops, field in ((["copy", "move"], "from"), (["add", "replace", "test"], "value"))
        ],
    }
    patch = {"type": "array", "items": operation}
    patches = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"RayCluster": patch, "Deployment": patch},
    }
    values = fields(
        overlay={"enum": list(groups)},
        namespace=fields(name=namespace, create=flag),
        labels=more,
        priorityClasses=fields(create=flag),
        quota=fields(create=flag, hard=amounts),
        foundation=fields(enabled=flag),
        cluster=fields(
            enabled=flag,
            maxReplicas=most,
            patches=patches,
            nodeSelector=labels,
            groups={"type": "object", "additionalProperties": group},
        ),
        images=fields(cpu=image, gpu=image),
        imagePullSecrets=secrets,
        operator=fields(namespaces=namespaces),
        dns=fields(servers=networks),
        https=fields(networks=networks),
        objectStore=fields(port={"type": "integer", "minimum": 0, "maximum": 65535}),
        identity=fields(create=flag, annotations=labels, nodeServers=flag),
        storage=storage,
        monitoring=fields(enabled=flag, namespace=namespace, labels=more),
        kueue=fields(queue=fields(create=flag, name=name, clusterQueue=name), priorityClasses=fields(create=flag)),
    )
    values["properties"]["cluster"]["properties"]["components"] = {
        "type": ["array", "null"],
        "items": {"enum": [*components]},
    }
    # A chart that includes this one may hand down its globals.
    values["properties"]["global"] = {"type": "object"}
    # Components that the values name may have other groups: the chart itself refuses what none of them has.
    own = {overlay: {"propertyNames": {"enum": [*names]}} for overlay, names in groups.items()}
    values["allOf"] = [
        {
            "if": has(overlay={"const": overlay}, cluster=has(components={"type": "null"})),
            "then": has(cluster=has(maxReplicas=names, groups=names)),
        }
        for overlay, names in own.items()
    ]
    # Objects of the foundation that are asked for without it would be left out without a word.
    off, none = {"const": False}, {"const": 0}
    without = has(
        monitoring=has(enabled=off),
        kueue=has(queue=has(create=off), priorityClasses=has(create=off)),
        objectStore=has(port=none),
        identity=has(create=off),
    )
    values["allOf"].append({"if": has(foundation=has(enabled=off)), "then": without})
    return {"$schema": "http://json-schema.org/draft-07/schema#", **values}
