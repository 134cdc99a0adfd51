"""How large a cluster a study needs."""

import shlex
from typing import Any

import pytest

import tune_jobs
from pipeline.cluster.plan import plan
from pipeline.cluster.rayjob import study_manifests
from pipeline.errors import ClusterError, ResourcesUnmet


def job(**changes):
    """The job beale, changed."""
    return tune_jobs.find("beale").replaced({name.replace("__", "."): value for name, value in changes.items()})


def _group(name: str = "cpu", most: int = 10, **limits: str) -> dict[str, Any]:
    found = {"cpu": "4", "memory": "16Gi", **limits}
    if "gpus" in found:
        found["nvidia.com/gpu"] = found.pop("gpus")
    container = {"resources": {"limits": found}}
    return {"groupName": name, "maxReplicas": most, "template": {"spec": {"containers": [container]}}}


@pytest.mark.parametrize(("need", "parallel"), [(1, 4), (0.6, 4), (0.5, 8), (0.1, 40), (2, 2)])
def test_trials_are_planned_as_ray_gives_out_gpus(need, parallel):
    group = _group("gpu", gpus="4", cpu="64", memory="200Gi")
    (planned,) = plan(job(resources__gpus=need, budget__trials=100), [group]).groups
    assert planned.trials == parallel


@pytest.mark.parametrize(
    ("limits", "given", "parallel"),
    [
        ({"cpu": "2"}, None, 2), ({"cpu": "500m"}, {}, 1), ({"cpu": "1500m"}, {}, 2),
        ({"cpu": "2"}, {"num-cpus": "6"}, 6), ({"gpus": "2"}, {}, 2), ({"gpus": "2"}, {"num-gpus": "1"}, 1),
    ],
)  # fmt: skip
def test_trials_of_a_pod_are_those_that_ray_starts(limits, given, parallel):
    wanted = job(resources__gpus=int("gpus" in limits))
    assert plan(wanted, [_group(**limits) | {"rayStartParams": given}]).groups[0].trials == parallel


@pytest.mark.parametrize("limits", [{"memory": "4GiB"}, {"cpu": "two"}])
def test_a_limit_that_is_no_amount_is_refused(limits):
    with pytest.raises(ClusterError, match=rf"'{next(iter(limits.values()))}', which Kubernetes does not accept"):
        plan(job(), [_group(**limits)])


def test_pods_are_as_many_as_trials_need():
    groups = [_group("small", 2), _group("large", 10), _group("gpu", 5, gpus="1")]
    found = plan(job(budget__trials=17), groups)
    planned = [(group.name, group.pods, group.trials) for group in found.groups]
    assert planned == [("small", 2, 4), ("large", 3, 4), ("gpu", 0, 0)]
    assert (found.workers, found.wanted) == (17, 17)
    few = plan(job(budget__trials=100), groups[:1])
    assert (few.workers, few.wanted) == (8, 100)


def test_memory_counts_as_cpus_do():
    made = study_manifests(job(resources__cpus=0.1, budget__trials=10), "beale", "local-cpu", "/studies", [])
    assert (made.plan.groups[0].trials, made.plan.groups[0].pods, made.plan.workers) == (3, 2, 6)
    assert "cpu: 0 to 2 pods, 3 trials in each by its 3.22 GB of memory" in str(made.plan)
    assert "workers' pods have 2 CPUs, 6.44 GB of memory" in str(made.plan)
    words = shlex.split(made.job["spec"]["entrypoint"])
    assert words[-4:] == ["--workers", "6", "--set", "resources.memory_gigabytes=0.75"]
    (group,) = made.job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    # Ray's own processes keep some.
    assert int(group["rayStartParams"]["memory"]) == 3 * 2**30 - 500_000_000


def test_a_trial_may_say_what_memory_it_needs():
    large = job(resources__memory_gigabytes=2.5)
    made = study_manifests(large, "beale", "local-cpu", "/studies", ["--set", "resources.memory_gigabytes=2.5"])
    assert made.plan.groups[0].trials == 1
    assert made.job["spec"]["entrypoint"].count("memory_gigabytes") == 1
    with pytest.raises(ResourcesUnmet, match="and 3 GB of memory"):
        study_manifests(job(resources__memory_gigabytes=3), "beale", "local-cpu", "/studies", [])
