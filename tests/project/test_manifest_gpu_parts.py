"""Groups of nodes whose GPUs are shared or divided."""

from typing import Any

import pytest

import tune_jobs
from pipeline.cluster.plan import plan
from pipeline.errors import ClusterError
from tests.project.manifests import (
    PLATFORM,
    as_pod,
    check_schema,
    gpu_groups,
    pods_of_groups,
    ray_cluster,
    refused_labels,
)

GROUPS = gpu_groups()


def scaled_up(group: dict[str, Any]) -> dict[str, Any]:
    """The resources of a group's pod as Ray's autoscaler counts them with its own code."""
    from ray.autoscaler._private.kuberay.autoscaling_config import _node_type_from_group_spec

    resources: dict[str, Any] = _node_type_from_group_spec(group, is_head=False)["resources"]
    return resources


@pytest.mark.parametrize("group", [name for name in GROUPS if "/" not in name and name.count("-") == 1])
def test_shared_gpus_are_chosen_by_their_label(own, group):
    """Each `time-slicing` changes the group before it, which selects what GPU feature discovery calls shared."""
    plain = pods_of_groups(own("base/ray", group))[group]["nodeSelector"]
    components = (group, "time-slicing", "gpu-l4-spot", "time-slicing", "gke/gpu-a100-spot")
    made = own("base/ray", *components)
    assert {each["kind"] for each in made} == {"RayCluster", "PodDisruptionBudget"}
    cluster = ray_cluster(made)["spec"]["workerGroupSpecs"]
    selectors = [each["template"]["spec"]["nodeSelector"] for each in cluster[2:]]
    strategy = {"nvidia.com/gpu.sharing-strategy": "time-slicing"}
    assert selectors == [
        {**PLATFORM, **strategy, "nvidia.com/gpu.product": "NVIDIA-L4-SHARED"},
        {**plain, **strategy, "nvidia.com/gpu.product": f"{plain['nvidia.com/gpu.product']}-SHARED"},
    ]
    assert not strategy.keys() & cluster[1]["template"]["spec"]["nodeSelector"].keys()


@pytest.mark.parametrize(
    ("group", "sharing", "labels"),
    [
        ("eks/gpu-a10g", "time-slicing/strategy", {"nvidia.com/gpu.sharing-strategy": "time-slicing"}),
        ("aks/gpu-t4", "time-slicing/strategy", {"nvidia.com/gpu.sharing-strategy": "time-slicing"}),
        *(
            (name, "gke/time-sharing", {"cloud.google.com/gke-gpu-sharing-strategy": "time-sharing"})
            for name in GROUPS
            if name.startswith("gke/") and not name.endswith(("shared", "mig"))
        ),
    ],
)
def test_gpus_of_every_cloud_can_be_shared(own, group, sharing, labels):
    """A cloud's group selects nodes with shared cards by one more label, and its pods fit a node several times."""
    plain = pods_of_groups(own("base/ray", group))[group.rpartition("/")[2]]
    pod = pods_of_groups(own("base/ray", group, sharing))[group.rpartition("/")[2]]
    assert pod["nodeSelector"] == {**plain["nodeSelector"], **labels}
    assert refused_labels(pod) == refused_labels(plain) - set(labels)
    limits = pod["containers"][0]["resources"]["limits"]
    assert (limits["cpu"], limits["nvidia.com/gpu"]) == ("2", "1")
    check_schema(as_pod(pod))


@pytest.mark.parametrize("component", ["gke/time-sharing", "gke/mig/1g.10gb"])
def test_spot_nodes_with_parts_of_googles_cards_are_named_in_their_order(own, component):
    """On Google's clusters, a component for parts of a card follows `gke/spot`; before it, Kustomize refuses both."""
    pod = pods_of_groups(own("base/ray", "gke/gpu-a100", "gke/spot", component))["gpu-a100"]
    assert pod["nodeSelector"]["cloud.google.com/gke-spot"] == "true"
    assert not refused_labels(pod) & set(pod["nodeSelector"])
    with pytest.raises(ClusterError, match="test failed"):
        own("base/ray", "gke/gpu-a100", component, "gke/spot")


def test_a_shared_gpu_of_googles_may_say_how_many_share_it(own):
    """Autopilot refuses pods that name a way of sharing a GPU without the number of pods that share it."""
    sharing = {"cloud.google.com/gke-gpu-sharing-strategy": "time-sharing"}
    number = {"cloud.google.com/gke-max-shared-clients-per-gpu": "2"}
    for components, expected in (
        (["gke/gpu-l4-shared"], sharing),
        (["gke/gpu-l4-shared", "gke/shared-clients"], sharing | number),
    ):
        selector = pods_of_groups(own("base/ray", *components))["gpu-l4-shared"]["nodeSelector"]
        assert {name: value for name, value in selector.items() if "shar" in name} == expected


@pytest.mark.parametrize(
    ("components", "resource"),
    [
        (["gpu-a100-mig"], "nvidia.com/mig-1g.10gb"),
        (["gpu-h100-mig"], "nvidia.com/mig-1g.10gb"),
        (["gpu-h200-mig"], "nvidia.com/mig-1g.18gb"),
        (["gpu-a100-mig-single"], "nvidia.com/gpu"),
        (["gpu-h100-mig-single"], "nvidia.com/gpu"),
        (["gpu-h200-mig-single"], "nvidia.com/gpu"),
        (["gke/gpu-a100-mig"], "nvidia.com/gpu"),
        (["gke/gpu-h100-mig"], "nvidia.com/gpu"),
        (["gke/gpu-h200-mig"], "nvidia.com/gpu"),
        (["aks/gpu-a100-mig"], "nvidia.com/mig-1g.10gb"),
        (["aks/gpu-h100-mig"], "nvidia.com/mig-1g.12gb"),
        (["aks/gpu-h200-mig"], "nvidia.com/mig-1g.18gb"),
        (["gpu-a100", "mig/3g.40gb"], "nvidia.com/mig-3g.40gb"),
        (["eks/on-demand", "gpu-h100", "mig/3g.40gb", "eks/spot-nodegroup"], "nvidia.com/mig-3g.40gb"),
        (["aks/gpu-h200", "mig/3g.71gb", "aks/spot"], "nvidia.com/mig-3g.71gb"),
        (["gke/gpu-h100", "gke/mig/3g.40gb"], "nvidia.com/gpu"),
        (["gke/gpu-h200", "gke/spot", "gke/mig/3g.71gb"], "nvidia.com/gpu"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else value,
)
def test_parts_of_a_gpu_are_planned_as_gpus(own, components, resource):
    """A pod with a part of a card fits a trial that requests a GPU; Ray's autoscaler and the quota count it."""
    cluster = ray_cluster(own("overlays/local-cpu/cluster", *components))
    group = cluster["spec"]["workerGroupSpecs"][1]
    pod = group["template"]["spec"]
    for kind in ("requests", "limits"):
        amounts = pod["containers"][0]["resources"][kind]
        assert {name: amount for name, amount in amounts.items() if name.startswith("nvidia.com/")} == {resource: "1"}
    assert scaled_up(group)["GPU"] == 1
    assert not refused_labels(pod) & set(pod["nodeSelector"])
    check_schema(as_pod(pod))
    job = tune_jobs.find("beale").replaced({"resources.gpus": 1, "budget.trials": 9})
    planned = plan(job, cluster["spec"]["workerGroupSpecs"])
    assert [each.pods for each in planned.groups if each.gpus] == [min(9, group["maxReplicas"])]
    (quota,) = (each for each in own("base/foundation", part="foundation") if each["kind"] == "ResourceQuota")
    assert int(quota["spec"]["hard"][f"requests.{resource}"]) >= group["maxReplicas"]


@pytest.mark.parametrize("size", ["1g.10gb", "3g.40gb", "1g.18gb", "3g.71gb"])
def test_parts_of_googles_cards_have_a_label(own, size):
    """Google's group of parts of a card selects their size, and its pods are as large as those of the same parts."""
    (card,) = {"a100"} if size in ("1g.10gb", "3g.40gb") else {"h200"}
    plain = pods_of_groups(own("base/ray", f"gke/gpu-{card}"))[f"gpu-{card}"]
    gke = pods_of_groups(own("base/ray", f"gke/gpu-{card}", f"gke/mig/{size}"))[f"gpu-{card}"]
    mixed = pods_of_groups(own("base/ray", f"gpu-{card}", f"mig/{size}"))[f"gpu-{card}"]
    label = "cloud.google.com/gke-gpu-partition-size"
    assert gke["nodeSelector"] == {**plain["nodeSelector"], label: size}
    assert refused_labels(gke) == refused_labels(plain) - {label}
    limits = dict(mixed["containers"][0]["resources"]["limits"])
    limits["nvidia.com/gpu"] = limits.pop(f"nvidia.com/mig-{size}")
    assert gke["containers"][0]["resources"]["limits"] == limits
    assert gke["volumes"] == mixed["volumes"]


@pytest.mark.parametrize(
    ("card", "product", "part"),
    [
        ("a100", "NVIDIA-A100-SXM4-80GB", "1g.10gb"),
        ("h100", "NVIDIA-H100-80GB-HBM3", "1g.10gb"),
        ("h200", "NVIDIA-H200", "1g.18gb"),
    ],
)
def test_cards_that_are_all_divided_the_same_way_have_their_own_label(own, card, product, part):
    """With MIG's strategy `single`, a pod selects the label of the part and requests no resource but one GPU."""
    made = pods_of_groups(own("base/ray", f"gpu-{card}-mig-single", f"gpu-{card}-mig"))
    mixed, single = made[f"gpu-{card}-mig"], made[f"gpu-{card}-mig-single"]
    assert mixed["nodeSelector"] == {**PLATFORM, "nvidia.com/gpu.product": product}
    assert single["nodeSelector"] == {**PLATFORM, "nvidia.com/gpu.product": f"{product}-MIG-{part}"}
    for kind in ("requests", "limits"):
        shared = dict(mixed["containers"][0]["resources"][kind])
        assert shared.pop(f"nvidia.com/mig-{part}") == "1"
        assert single["containers"][0]["resources"][kind] == {**shared, "nvidia.com/gpu": "1"}
