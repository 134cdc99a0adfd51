"""What pods request of nodes, and what the quotas of the overlays allow."""

import pytest

from pipeline.cluster.overlays import overlays, rendered
from tests.project.manifests import RAY, pods


@pytest.mark.parametrize("overlay", overlays())
@pytest.mark.parametrize("part", ["cluster", "study"])
def test_every_pod_asks_for_disk_and_has_room_for_its_volumes(own, overlay, part):
    """Each container requests disk space, with a limit above the sum of its volumes' limits, for its log, too."""
    document = next(each for each in rendered(overlay, part) if each["kind"] in RAY)
    spec = document["spec"].get("rayClusterSpec", document["spec"])
    head = spec["headGroupSpec"]["template"]["spec"]
    found = [(container, pod) for pod in pods(document) for container in pod["containers"]]
    assert len(found) >= 2
    page = next(each for each in own("overlays/dev/cluster", "page") if each["kind"] == "Deployment")
    found += [(container, pod) for pod in pods(page) for container in pod["containers"]]
    for container, pod in [*found, (spec["autoscalerOptions"], head)]:
        mounted = {each["name"] for each in container["volumeMounts"]}
        volumes = [each["emptyDir"] for each in pod["volumes"] if "emptyDir" in each and each["name"] in mounted]
        held = sum(_amount(each["sizeLimit"]) for each in volumes if each.get("medium") != "Memory")
        request, limit = (_amount(container["resources"][kind]["ephemeral-storage"]) for kind in ("requests", "limits"))
        assert 0 < request < limit
        assert limit > held > 0


@pytest.mark.parametrize("overlay", overlays())
def test_the_maximum_of_all_groups_is_within_the_quota(overlay):
    """The quota has room for four studies with all pods of an overlay, as far as their GPUs are in it."""
    (job,) = rendered(overlay, "study")
    hard = next(each for each in rendered(overlay, "foundation") if each["kind"] == "ResourceQuota")["spec"]["hard"]
    cluster = job["spec"]["rayClusterSpec"]
    one = [each["resources"] for pod in pods(job["spec"]["submitterPodTemplate"]) for each in pod["containers"]]
    one += [each["resources"] for pod in pods(cluster["headGroupSpec"]) for each in pod["containers"]]
    groups = [
        (group["maxReplicas"], each["resources"])
        for group in cluster["workerGroupSpecs"]
        for each in group["template"]["spec"]["containers"]
    ]
    gpus = sum(number * int(each["limits"].get("nvidia.com/gpu", 0)) for number, each in groups)
    full = min(4, int(hard["requests.nvidia.com/gpu"]) // gpus) if gpus else 0
    assert full or not gpus
    counted = [(4, each) for each in [*one, cluster["autoscalerOptions"]["resources"]]]
    counted += [(number * (full if "nvidia.com/gpu" in each["limits"] else 4), each) for number, each in groups]
    assert sum(number for number, _ in counted) <= int(hard["pods"])
    for kind in ("requests", "limits"):
        for name in ("cpu", "memory"):
            assert sum(number * _amount(each[kind][name]) for number, each in counted) <= _amount(
                hard[f"{kind}.{name}"]
            )


@pytest.mark.parametrize("overlay", ["dev", "local-cpu"])
def test_a_small_quota_is_small_in_everything(overlay):
    """A quota of few GPUs has no parts of GPUs, and no more CPUs, memory and pods than ten clusters can have."""
    hard = next(each for each in rendered(overlay, "foundation") if each["kind"] == "ResourceQuota")["spec"]["hard"]
    assert {amount for name, amount in hard.items() if "/mig-" in name} == {"0"}
    large = next(each for each in rendered("prod-gpu", "foundation") if each["kind"] == "ResourceQuota")["spec"]["hard"]
    assert hard.keys() == large.keys()
    for name in ("pods", "requests.cpu", "limits.cpu", "requests.memory", "limits.memory"):
        assert 2 * _amount(hard[name]) <= _amount(large[name])


def _amount(amount: str) -> float:
    """An amount of CPUs, or of memory in GiB."""
    units = {"m": 1 / 1000, "Mi": 1 / 1024, "Gi": 1.0, "Ti": 1024.0}
    unit = next((unit for unit in units if amount.endswith(unit)), "")
    return float(amount.removesuffix(unit)) * units.get(unit, 1.0)
