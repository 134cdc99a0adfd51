"""What the components of an overlay have left out because of the order in which the overlay names them.

A component changes the objects that exist when it is named. Groups inherit what earlier components changed, because
they are copies of the group of CPUs; the rest is compared here.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SPOT_LABELS = (
    "cloud.google.com/gke-spot",
    "karpenter.sh/capacity-type",
    "eks.amazonaws.com/capacityType",
    "kubernetes.azure.com/scalesetpriority",
)
"""The labels by which clouds mark spot nodes, as the components `on-demand` name them."""

_POOL_LABELS = {
    "cloud.google.com/gke-nodepool",
    "karpenter.sh/nodepool",
    "eks.amazonaws.com/nodegroup",
    "kubernetes.azure.com/agentpool",
    "agentpool",
}
"""The labels by which a user selects one pool of nodes, which are spot nodes or not; no component names them."""

_NVIDIA = "nvidia.com/"
"""The beginning of the resource of each component's group. A group without it is a user's."""

_SPOT_VARIABLE = "TUNEPIPE_CHECKPOINT_SECONDS"
"""The environment variable that the component `spot` sets."""

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def wrong_order(groups: Sequence[Mapping[str, Any]], page: Mapping[str, Any] | None) -> list[str]:
    """What is wrong with the order of an overlay's components, as sentences; empty if nothing is."""
    return [*_equal_names(groups), *_on_spot_nodes(groups), *_without_runtime_class(groups), *_page(groups, page)]


def _equal_names(groups: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    names = [str(group.get("groupName")) for group in groups]
    for name in dict.fromkeys(each for each in names if names.count(each) > 1):
        yield (
            f"Two groups have the name {name!r}: name its component once, or change the name of one of them in a patch "
            "(a component that follows a group, such as aks/spot, does not change its name)."
        )


def _on_spot_nodes(groups: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    kept = _node_labels(groups[0]) & set(SPOT_LABELS)
    for group in filter(_has_nvidia, groups[1:]):
        labels = _node_labels(group)
        variables = {each.get("name") for each in _pod(group)["containers"][0].get("env") or ()}
        if kept and not labels & (kept | _POOL_LABELS) and _SPOT_VARIABLE not in variables:
            yield (
                f"The group {group.get('groupName')!r} may run on spot nodes, unlike the head and the group "
                f"{groups[0].get('groupName')!r}: name the component on-demand, or that of its cloud, before the "
                "group, or a component for spot nodes right after it."
            )


def _without_runtime_class(groups: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    gpus = [group for group in groups if str(group.get("groupName")).startswith("gpu") and _has_nvidia(group)]
    without = [str(group["groupName"]) for group in gpus if "runtimeClassName" not in _pod(group)]
    if without and len(without) < len(gpus):
        yield (
            f"The {'group' if len(without) == 1 else 'groups'} {' and '.join(map(repr, without))} "
            f"{'has' if len(without) == 1 else 'have'} no runtime class, unlike other groups of GPUs: name the "
            "component runtime-class after all of them."
        )


def _page(groups: Sequence[Mapping[str, Any]], page: Mapping[str, Any] | None) -> Iterator[str]:
    if page is None:
        return
    workers, own = ((each.get("template") or {}) for each in (groups[0], page["spec"]))
    for component, has in _CHANGES_OF_THE_PAGE.items():
        if has(workers) and not has(own):
            yield f"The component {component} has not changed the live page: name the component page before it."


def _as_storage(template: Mapping[str, Any]) -> bool:
    return bool(template["spec"].get("serviceAccountName") == "tunepipe-storage")


def _as_azure(template: Mapping[str, Any]) -> bool:
    return "azure.workload.identity/use" in ((template.get("metadata") or {}).get("labels") or {})


def _with_certificates(template: Mapping[str, Any]) -> bool:
    return any(each.get("name") == "certificates" for each in template["spec"].get("volumes") or ())


def _without_volume(template: Mapping[str, Any]) -> bool:
    volumes = template["spec"].get("volumes") or ()
    return any(each.get("name") == "studies" and "projected" in each for each in volumes)


def _as_openshift(template: Mapping[str, Any]) -> bool:
    return "runAsUser" not in (template["spec"].get("securityContext") or {})


_CHANGES_OF_THE_PAGE = {
    "s3-identity/pods": _as_storage,
    "aks/identity/pods": _as_azure,
    "ca-bundle": _with_certificates,
    "no-volume/pods": _without_volume,
    "openshift": _as_openshift,
}
"""Components that change the pods of the live page as they change those of workers, and how a pod shows it."""


def _pod(group: Mapping[str, Any]) -> Mapping[str, Any]:
    pod: Mapping[str, Any] = group["template"]["spec"]
    return pod


def _has_nvidia(group: Mapping[str, Any]) -> bool:
    limits = (_pod(group)["containers"][0].get("resources") or {}).get("limits") or {}
    return any(resource.startswith(_NVIDIA) for resource in limits)


def _node_labels(group: Mapping[str, Any]) -> set[str]:
    """The labels of nodes that a pod of a group selects or requires."""
    pod = _pod(group)
    affinity = (pod.get("affinity") or {}).get("nodeAffinity") or {}
    terms = (affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or ()
    named = {each.get("key") for term in terms for each in term.get("matchExpressions") or ()}
    return {*(pod.get("nodeSelector") or {}), *named}
