"""Groups of nodes: their GPUs, their nodes, and the limits of their pods."""

import pytest

from pipeline.cluster.overlays import rendered
from pipeline.errors import ClusterError
from tests.project.manifests import (
    PLATFORM,
    as_pod,
    check_schema,
    gpu_groups,
    pods_of_groups,
    ray_cluster,
    refused_labels,
    with_documented_card,
)

GROUPS = gpu_groups()


@pytest.mark.parametrize("overlay", ["dev", "prod-gpu"])
def test_gpu_groups_take_whole_gpus_and_leave_when_idle(overlay):
    """A GPU group starts from no node, requests whole GPUs, and ends idle pods after time to drain."""
    cluster = ray_cluster(rendered(overlay, "cluster"))
    groups = [each for each in cluster["spec"]["workerGroupSpecs"] if each["groupName"].startswith("gpu")]
    assert groups
    assert cluster["spec"]["autoscalerOptions"]["version"] == "v2"
    for group in groups:
        pod = group["template"]["spec"]
        resources = pod["containers"][0]["resources"]
        requests, limits = (
            {name: amount for name, amount in resources[kind].items() if name != "ephemeral-storage"}
            for kind in ("requests", "limits")
        )
        assert requests == limits
        assert int(resources["limits"]["nvidia.com/gpu"]) >= 1
        assert "nvidia.com/gpu" in [each["key"] for each in pod["tolerations"]]
        assert pod["nodeSelector"]
        assert (group["minReplicas"], group["replicas"]) == (0, 0)
        assert group["idleTimeoutSeconds"] > 0
        spot = group["groupName"].endswith("spot")
        # Spot nodes leave pods 15 s; elsewhere Ray drains a node for 30 s.
        assert pod["terminationGracePeriodSeconds"] == (15 if spot else 90)
        assert ("sleep" in pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][2]) is not spot
        assert ("TUNEPIPE_CHECKPOINT_SECONDS" in str(pod["containers"][0]["env"])) is spot
        assert any(each.get("emptyDir", {}).get("medium") == "Memory" for each in pod["volumes"])
        assert ("cloud.google.com/gke-spot" in refused_labels(pod)) is not spot


@pytest.mark.parametrize(
    "component", [name for name in GROUPS if name.startswith("gke/") and not name.endswith(("shared", "mig"))]
)
def test_a_whole_gpu_of_googles_is_neither_shared_nor_divided(own, component):
    """Nodes with shared or divided cards have the accelerator's label, too, and groups of whole GPUs refuse them."""
    (group,) = ray_cluster(own("overlays/local-cpu/cluster", component))["spec"]["workerGroupSpecs"][1:]
    shared, divided = "cloud.google.com/gke-gpu-sharing-strategy", "cloud.google.com/gke-gpu-partition-size"
    assert {shared, divided} <= refused_labels(group["template"]["spec"])


@pytest.mark.parametrize("component", ["s3-identity/pods", "aks/identity/pods", "ca-bundle", "openshift", "small"])
def test_a_group_has_what_components_before_it_changed_in_all_pods(own, component):
    """The order of a group and of a component that changes all pods has no effect."""
    assert own("base/ray", component, "gpu-l4") == own("base/ray", "gpu-l4", component)


def test_a_runtime_class_is_only_for_gpu_groups(own):
    """A runtime class is set for all GPU groups and for nothing else."""
    made = own("overlays/prod-gpu/cluster", "runtime-class")
    assert {each["kind"] for each in made} == {"RayCluster", "PodDisruptionBudget"}
    classes = {name: pod.get("runtimeClassName") for name, pod in pods_of_groups(made).items()}
    assert classes == {"cpu": None, "gpu-l4": "nvidia", "gpu-l4-spot": "nvidia", "gpu-a100": "nvidia"}


def test_a_runtime_class_is_for_a_group_that_keeps_the_name_of_gpu_group(own):
    """A group that a user makes from `gpu-group` without another name gets the runtime class, too."""
    made = pods_of_groups(own("base/ray", "gpu-group", "runtime-class"))
    assert {name: pod.get("runtimeClassName") for name, pod in made.items()} == {"cpu": None, "gpu": "nvidia"}


@pytest.mark.parametrize("components", [("runtime-class",), ("runtime-class", "gpu-l4")], ids="+".join)
def test_a_runtime_class_without_a_group_before_it_is_refused(own, components):
    """A runtime class without GPU groups, or named before them, is an error, not an endless search for a group."""
    with pytest.raises(ClusterError, match=r"runtime-class.*workerGroupSpecs/1/"):
        own("base/ray", *components)


@pytest.mark.parametrize("component", GROUPS)
def test_a_group_is_chosen_by_the_labels_of_one_cloud(own, component):
    """A group's node labels are those of one vendor, and Ray counts GPUs for it."""
    cluster = ray_cluster(own("base/ray", component))
    group = cluster["spec"]["workerGroupSpecs"][1]
    pod = group["template"]["spec"]
    clouds = {"gke": "cloud.google.com/", "eks": "karpenter.", "eks-auto": "eks.amazonaws.com/"}
    clouds["aks"] = "node.kubernetes.io/instance-type"
    vendor = clouds.get(component.partition("/")[0], "nvidia.com/")
    # Also the nodes of EKS Auto Mode have Karpenter's label for spot.
    labels = [label for label in pod["nodeSelector"] if label not in {"karpenter.sh/capacity-type", *PLATFORM}]
    assert labels
    assert all(label.startswith(vendor) for label in labels)
    assert group["groupName"] == component.rpartition("/")[2]
    limits = pod["containers"][0]["resources"]["limits"]
    assert limits.get("nvidia.com/gpu") == "1" or group["rayStartParams"] == {"num-gpus": "1"}
    check_schema(as_pod(pod))


@pytest.mark.parametrize("component", [name for name in GROUPS if "/" in name and not name.endswith(("shared", "mig"))])
def test_a_card_is_the_same_in_every_cloud(own, component):
    """A cloud's group of a card has the pods of the group for NVIDIA's labels, and differs in where they run."""
    card = component.rpartition("/")[2].removesuffix("-spot").removesuffix("-mega")
    (cloud, plain) = (
        ray_cluster(own("base/ray", name))["spec"]["workerGroupSpecs"][1]["template"]["spec"]
        for name in (component, card)
    )
    for field in ("volumes", "priorityClassName", "securityContext"):
        assert cloud[field] == plain[field]
    assert cloud["containers"][0]["resources"] == plain["containers"][0]["resources"]
    # Ray's object store takes 30% of the memory, and lies on the disk where shared memory is smaller.
    memory, shared = (
        float(text.removesuffix("Gi"))
        for text in (
            cloud["containers"][0]["resources"]["limits"]["memory"],
            next(each["emptyDir"]["sizeLimit"] for each in cloud["volumes"] if each["name"] == "shm"),
        )
    )
    assert shared > 0.3 * memory


@pytest.mark.parametrize(
    ("component", "label"),
    [
        ("gke/gpu-l4-spot", "cloud.google.com/gke-spot"),
        ("gke/gpu-a100-spot", "cloud.google.com/gke-spot"),
        ("eks/gpu-a100-spot", "karpenter.sh/capacity-type"),
        ("eks-auto/gpu-a100-spot", "karpenter.sh/capacity-type"),
    ],
)
def test_a_group_of_spot_nodes_runs_on_no_others(own, component, label):
    """A spot group selects spot nodes, ends within their notice, and has another name than the group of its card."""
    cluster = ray_cluster(own("base/ray", component.removesuffix("-spot"), component))
    spot, plain = cluster["spec"]["workerGroupSpecs"][1:]
    assert spot["groupName"] == f"{plain['groupName']}-spot"
    pod = spot["template"]["spec"]
    assert pod["nodeSelector"] == {**plain["template"]["spec"]["nodeSelector"], label: pod["nodeSelector"][label]}
    assert label not in refused_labels(pod)
    assert label in refused_labels(plain["template"]["spec"])
    assert pod["terminationGracePeriodSeconds"] == 15
    assert any(each["name"] == "TUNEPIPE_CHECKPOINT_SECONDS" for each in pod["containers"][0]["env"])


def test_pods_of_googles_spot_nodes_may_be_evicted(own):
    """Autopilot starts no spot node for a pod that must not be evicted, and a pod of such a group may be."""
    (spot, plain) = ray_cluster(own("base/ray", "gke/gpu-l4", "gke/gpu-l4-spot"))["spec"]["workerGroupSpecs"][1:]
    kept = "cluster-autoscaler.kubernetes.io/safe-to-evict"
    assert kept in plain["template"]["metadata"]["annotations"]
    assert kept not in spot["template"]["metadata"]["annotations"]


def test_a_group_of_spot_nodes_of_any_cloud(own):
    """The spot group by NVIDIA's labels runs only on nodes that one of the clouds marks as spot nodes."""
    pod = pods_of_groups(own("base/ray", "gpu-l4-spot"))["gpu-l4-spot"]
    plain = pods_of_groups(own("base/ray", "gpu-l4"))["gpu-l4"]
    assert pod["nodeSelector"] == plain["nodeSelector"]
    required = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    terms = [(each["key"], each["values"]) for (each,) in (term["matchExpressions"] for term in required)]
    marks, tolerated = [], list(plain["tolerations"])
    for component in ("gke/spot", "eks/spot", "eks/spot-nodegroup", "aks/spot"):
        spot = pods_of_groups(own("base/ray", "gpu-l4", component))["gpu-l4"]
        marks += [(key, [value]) for key, value in spot["nodeSelector"].items() if key not in plain["nodeSelector"]]
        tolerated += [each for each in spot["tolerations"] if each not in tolerated]
    assert terms == marks
    assert pod["tolerations"] == tolerated
    assert pod["terminationGracePeriodSeconds"] == 15


@pytest.mark.parametrize(("cloud", "domain"), [("eks", "karpenter.k8s.aws"), ("eks-auto", "eks.amazonaws.com")])
def test_a_part_of_an_l4_is_no_l4(own, cloud, domain):
    """Machines with a part of an L4 have its name, too, and less memory, by which the group refuses them."""
    group = ray_cluster(own("base/ray", f"{cloud}/gpu-l4"))["spec"]["workerGroupSpecs"][1]
    assert group["template"]["spec"]["nodeSelector"][f"{domain}/instance-gpu-memory"] == "22888"


@pytest.mark.parametrize(
    ("component", "label", "value"),
    [
        ("gpu-a100-40gb", "nvidia.com/gpu.product", "NVIDIA-A100-SXM4-40GB"),
        ("gke/gpu-a100", "cloud.google.com/gke-accelerator", "nvidia-a100-80gb"),
        ("gke/gpu-a100-40gb", "cloud.google.com/gke-accelerator", "nvidia-tesla-a100"),
        ("gke/gpu-h100", "cloud.google.com/gke-accelerator", "nvidia-h100-80gb"),
        ("gke/gpu-h100-mega", "cloud.google.com/gke-accelerator", "nvidia-h100-mega-80gb"),
        ("eks/gpu-a100", "karpenter.k8s.aws/instance-gpu-memory", "81920"),
        ("eks/gpu-a100-40gb", "karpenter.k8s.aws/instance-gpu-memory", "40960"),
        ("eks-auto/gpu-a100-40gb", "eks.amazonaws.com/instance-gpu-memory", "40960"),
    ],
)
def test_cards_of_one_name_have_different_labels(own, component, label, value):
    """Cards of one name with another memory, or in another machine, have groups with different labels."""
    (group,) = ray_cluster(own("base/ray", component))["spec"]["workerGroupSpecs"][1:]
    assert group["template"]["spec"]["nodeSelector"][label] == value


def test_the_documented_group_for_another_card(tmp_path):
    """The documented patch makes `gpu-group` a group with its own name, label, memory and shared memory."""
    (group,) = ray_cluster(with_documented_card(tmp_path))["spec"]["workerGroupSpecs"][1:]
    pod = group["template"]["spec"]
    limits = pod["containers"][0]["resources"]["limits"]
    assert group["groupName"] == "gpu-v100"
    assert pod["nodeSelector"] == {**PLATFORM, "nvidia.com/gpu.product": "Tesla-V100-SXM2-32GB"}
    assert (limits["memory"], limits["nvidia.com/gpu"]) == ("48Gi", "1")
    assert pod["volumes"][1] == {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}}
    check_schema(as_pod(pod))


def test_gpu_nodes_of_azure_are_chosen_by_their_size(own):
    """Azure's group selects an instance type, known before there is a node, and tolerates the taint of GPU pools."""
    group = ray_cluster(own("base/ray", "aks/gpu-a100"))["spec"]["workerGroupSpecs"][1]
    pod = group["template"]["spec"]
    assert pod["nodeSelector"] == {**PLATFORM, "node.kubernetes.io/instance-type": "Standard_NC24ads_A100_v4"}
    assert {"key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"} in pod["tolerations"]
    assert "nvidia.com/gpu" in [each["key"] for each in pod["tolerations"]]
    spot = ray_cluster(own("base/ray", "aks/gpu-a100", "aks/spot"))["spec"]["workerGroupSpecs"][1]
    assert spot["template"]["spec"]["nodeSelector"] == {
        **pod["nodeSelector"], "kubernetes.azure.com/scalesetpriority": "spot"
    }  # fmt: skip


def test_spot_nodes_of_azure_have_a_label_and_a_taint(own):
    """The component for Azure's spot nodes, after a group for spot nodes, adds their label and taint."""
    cluster = ray_cluster(own("base/ray", "gpu-a100", "aks/spot"))
    pod = cluster["spec"]["workerGroupSpecs"][1]["template"]["spec"]
    assert pod["nodeSelector"] == {
        **PLATFORM,
        "kubernetes.azure.com/scalesetpriority": "spot",
        "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB",
    }
    assert "kubernetes.azure.com/scalesetpriority" in [each["key"] for each in pod["tolerations"]]
    assert pod["terminationGracePeriodSeconds"] == 15


def test_two_groups_of_spot_nodes(own):
    """A cloud's component for spot nodes changes the group before it, and may be named after each of several groups."""
    cluster = ray_cluster(own("base/ray", "aks/gpu-t4", "aks/spot", "aks/gpu-h100", "aks/spot", "aks/gpu-a100"))
    label = "kubernetes.azure.com/scalesetpriority"
    spot = {
        each["groupName"]: label in str(each["template"]["spec"].get("nodeSelector"))
        for each in cluster["spec"]["workerGroupSpecs"]
    }
    assert spot == {"cpu": False, "gpu-a100": False, "gpu-h100": True, "gpu-t4": True}
