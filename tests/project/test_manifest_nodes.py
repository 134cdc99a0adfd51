"""The nodes on which pods run, and on which they do not."""

import pytest

from pipeline.cluster.overlays import overlays, rendered
from tests.project.manifests import HOME, PLATFORM, pods, ray_cluster, refused_labels

NVIDIA = "nvidia.com/gpu.present"
SPOT = {
    "gke": {"cloud.google.com/gke-spot"},
    "eks": {"karpenter.sh/capacity-type", "eks.amazonaws.com/capacityType"},
    "eks-auto": {"karpenter.sh/capacity-type"},
    "aks": {"kubernetes.azure.com/scalesetpriority"},
}
"""The labels by which each cloud marks spot nodes."""
AUTOPILOT = {
    "cloud.google.com/gke-spot",
    "cloud.google.com/gke-accelerator",
    "cloud.google.com/gke-gpu-sharing-strategy",
    "cloud.google.com/gke-gpu-partition-size",
    *PLATFORM,
}
"""Labels that Google's Autopilot allows in selectors and affinities of pods."""


def labels(pod):
    """All labels of nodes that a pod's selector and affinity name."""
    node = pod.get("affinity", {}).get("nodeAffinity", {})
    terms = node.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", [])
    terms = [*terms, *(each["preference"] for each in node.get("preferredDuringSchedulingIgnoredDuringExecution", []))]
    return {*pod["nodeSelector"], *(each["key"] for term in terms for each in term["matchExpressions"])}


def required_terms(pod):
    """The expressions of each term of which one has to hold for a pod's node."""
    required = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return [term["matchExpressions"] for term in required["nodeSelectorTerms"]]


def pods_off_spot_nodes(job):
    """The pods of a RayJob that are not for spot nodes, by the name of their container or group."""
    spec = job["spec"]
    cluster = spec["rayClusterSpec"]
    return {
        "head": cluster["headGroupSpec"]["template"]["spec"],
        "submitter": spec["submitterPodTemplate"]["spec"],
        **{
            group["groupName"]: group["template"]["spec"]
            for group in cluster["workerGroupSpecs"]
            if not group["groupName"].endswith("-spot")
        },
    }


@pytest.mark.parametrize("cloud", SPOT)
def test_head_submitter_and_plain_groups_refuse_the_spot_nodes_of_their_cloud(own, cloud):
    """With a cloud's groups or its `on-demand`, only spot groups run on spot nodes, and no pod names another cloud."""
    others = set().union(*SPOT.values()) - SPOT[cloud]
    for components in ((f"{cloud}/gpu-t4", f"{cloud}/gpu-a100"), (f"{cloud}/on-demand", "gpu-t4", "gpu-a100")):
        own("base/ray", *components)
        (job,) = own("../cluster", "study", part="study")
        found = pods_off_spot_nodes(job)
        assert set(found) == {"head", "submitter", "cpu", "gpu-t4", "gpu-a100"}
        for pod in found.values():
            assert SPOT[cloud] <= refused_labels(pod)
            assert not others & labels(pod)


@pytest.mark.parametrize(
    ("cloud", "spot"), [("gke", "gke/spot"), ("eks", "eks/spot"), ("eks", "eks/spot-nodegroup"), ("aks", "aks/spot")]
)
def test_a_spot_component_allows_what_on_demand_refuses(own, cloud, spot):
    """A group that a cloud's spot component follows runs on spot nodes only, and the head on none of them."""
    (job,) = own("base/ray", f"{cloud}/on-demand", "gpu-l4", spot, "study", part="study")
    group = job["spec"]["rayClusterSpec"]["workerGroupSpecs"][1]
    pod = group["template"]["spec"]
    assert SPOT[cloud] & set(pod["nodeSelector"])
    assert not SPOT[cloud] & refused_labels(pod)
    assert pod["terminationGracePeriodSeconds"] == 15
    assert SPOT[cloud] <= refused_labels(job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"])


@pytest.mark.parametrize(
    ("group", "spot", "cloud"),
    [
        ("gpu-t4", "gke/spot", "gke"),
        ("gpu-t4", "eks/spot-nodegroup", "eks"),
        ("gpu-t4", "aks/spot", "aks"),
        ("gpu-t4", "eks/spot", "eks"),
        ("eks-auto/gpu-t4", "eks-auto/spot", "eks-auto"),
    ],
)
def test_a_clouds_spot_component_keeps_the_head_off_spot_nodes(own, group, spot, cloud):
    """With a cloud's spot component after a group of GPUs, no head, submitter or CPU worker is on spot nodes."""
    (job,) = own("base/ray", group, spot, "study", part="study")
    found = pods_off_spot_nodes(job)
    for name in ("head", "submitter", "cpu"):
        assert SPOT[cloud] <= refused_labels(found[name])


@pytest.mark.parametrize(
    "components", [("gpu-l4-spot",), ("on-demand", "gpu-a100", "gpu-l4-spot"), ("gke/on-demand", "gpu-l4-spot")]
)
def test_a_spot_group_of_any_cloud_keeps_the_others_off_its_nodes(own, components):
    """With the spot group by NVIDIA's labels, the other pods refuse each node that the group selects as a spot node."""
    (job,) = own("base/ray", *components, "study", part="study")
    groups = {each["groupName"]: each["template"]["spec"] for each in job["spec"]["rayClusterSpec"]["workerGroupSpecs"]}
    selected = required_terms(groups["gpu-l4-spot"])
    assert {each["key"] for (each,) in selected} == set().union(*SPOT.values())
    for pod in pods_off_spot_nodes(job).values():
        # A node that has one of the labels has to be refused: all expressions of one term hold elsewhere only.
        (refused,) = required_terms(pod)
        assert [(each["key"], each["values"]) for each in refused] == [
            (each["key"], each["values"]) for (each,) in selected
        ]
        assert {each["operator"] for each in refused} == {"NotIn"}


@pytest.mark.parametrize("overlay", overlays())
def test_no_overlay_names_labels_of_another_cloud(overlay):
    """Overlays for Google's clusters name only labels that its Autopilot allows, and `local-cpu` those of no cloud."""
    (job,) = rendered(overlay, "study")
    named = set().union(*(labels(pod) for pod in pods(job)))
    assert named <= ({*PLATFORM, NVIDIA} if overlay == "local-cpu" else AUTOPILOT)


@pytest.mark.parametrize("overlay", overlays())
def test_every_pod_runs_on_the_nodes_of_its_image(overlay, own):
    """Each pod, that of the live page too, selects Linux nodes with the processors that the images are for."""
    (job,) = rendered(overlay, "study")
    (page,) = (each for each in own("base/ray", "page") if each["kind"] == "Deployment")
    for pod in [*pods(job), *pods(page)]:
        assert PLATFORM.items() <= pod["nodeSelector"].items()


def test_pods_without_gpus_leave_gpu_nodes_free(own):
    """The head, the submitter and workers without GPUs prefer nodes without GPUs, and GPU groups do not."""
    (job,) = own("base/ray", "gpu-l4", "study", part="study")
    found = pods_off_spot_nodes(job)
    assert {name for name, pod in found.items() if NVIDIA in labels(pod)} == {"head", "submitter", "cpu"}
    assert not set().union(*(refused_labels(pod) for pod in found.values()))


@pytest.mark.parametrize("overlay", overlays())
def test_autoscalers_evict_no_worker(overlay):
    """Autoscalers evict no worker to save costs; on spot nodes Karpenter and Google's autoscaler may."""
    groups = ray_cluster(rendered(overlay, "cluster"))["spec"]["workerGroupSpecs"]
    for group in groups:
        annotations = group["template"]["metadata"]["annotations"]
        # At the notice, Karpenter evicts no pod with the annotation; Autopilot starts no spot node for one.
        kept = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}
        assert annotations == ({} if group["groupName"].endswith("-spot") else kept)


def test_each_cloud_has_its_component():
    """Each folder of a cloud's groups has an `on-demand`, which each of its groups includes first."""
    clouds = {path.parent.parent for path in (HOME / "components").glob("*/gpu-*/kustomization.yaml")}
    assert {path.name for path in clouds} == set(SPOT)
    for path in (each for cloud in clouds for each in cloud.glob("gpu-*/kustomization.yaml")):
        first = path.read_text().partition("components:\n  - ")[2].partition("\n")[0]
        card = "-".join(path.parent.name.split("-")[:2])
        assert first in {"../on-demand", f"../{card}"}, path
