"""How large a cluster a study needs."""

import math
import shlex
from typing import Any

import pytest

import tune_jobs
from pipeline.cluster import chart
from pipeline.cluster.plan import check_head, memory_for_trials, plan
from pipeline.cluster.rayjob import study_manifests
from pipeline.errors import ClusterError, ResourcesUnmet


def job(**changes):
    """The job beale, changed."""
    return tune_jobs.find("beale").replaced({name.replace("__", "."): value for name, value in changes.items()})


def test_hours_are_estimated_from_epochs_of_such_a_node():
    (template,) = chart.rendered("prod-gpu")
    specs = template["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    wanted = job(resources__gpus=0.5, resources__cpus=2, budget__trials=16, budget__epochs=8)
    unknown = plan(wanted, specs, {"s-1-gpu-a100-worker-x": 10.0})
    assert unknown.hours is None
    assert "estimated hours: unknown until the study has recorded an epoch on gpu-l4" in str(unknown)
    known = plan(wanted, specs, {"s-1-gpu-l4-worker-x": 80.0, "s-1-gpu-l4-worker-y": 100.0, "s-head": 1.0})
    assert known.hours == pytest.approx(8 * 90 / 3600)
    assert "hours: 0.2 at most, with epochs of 90 s on gpu-l4" in str(known)
    second = plan(wanted.replaced({"budget.trials": 17, "resources.workers": 16}), specs, {"a-gpu-l4-worker-x": 90.0})
    assert second.hours == pytest.approx(16 * 90 / 3600)
    assert plan(wanted.replaced({"budget.seconds": 36}), specs, {"a-gpu-l4-worker-x": 90.0}).hours == pytest.approx(
        0.01
    )


def _group(name: str = "cpu", most: int = 10, **limits: str) -> dict[str, Any]:
    limits = {"cpu": "4", "memory": "16Gi", **{each.replace("_", "-"): value for each, value in limits.items()}}
    gpus = limits.pop("gpus", None)
    if gpus is not None:
        limits["nvidia.com/gpu"] = gpus
    container = {"resources": {"limits": limits}}
    return {"groupName": name, "maxReplicas": most, "template": {"spec": {"containers": [container]}}}


@pytest.mark.parametrize(("need", "parallel"), [(1, 4), (0.6, 4), (0.5, 8), (0.1, 40), (2, 2)])
def test_trials_are_planned_as_ray_gives_out_gpus(need, parallel):
    group = _group("gpu", gpus="4", cpu="64", memory="200Gi")
    (planned,) = plan(job(resources__gpus=need, budget__trials=100), [group]).groups
    assert planned.trials == parallel


@pytest.mark.parametrize(
    ("cpus", "given", "parallel"),
    [
        ("2", None, 2), ("4.0", {}, 4), ("500m", {}, 1), ("1500m", {}, 2), ("2", {"num-cpus": "6"}, 6),
        ("4", {"num-cpus": "1"}, 1),
    ],
)  # fmt: skip
def test_trials_of_a_pod_are_those_that_ray_starts(cpus, given, parallel):
    planned = plan(job(), [_group(cpu=cpus) | {"rayStartParams": given}])
    assert planned.groups[0].trials == parallel


def test_a_plan_has_the_cpus_of_the_pods():
    planned = plan(job(budget__trials=4), [_group(cpu="1500m") | {"rayStartParams": {"num-cpus": "4"}}])
    assert "workers' pods have 1.5 CPUs," in str(planned)


@pytest.mark.parametrize(("given", "parallel"), [({}, 2), ({"num-gpus": "1"}, 1), ({"num-gpus": "4"}, 4)])
def test_gpus_given_to_ray_count(given, parallel):
    group = _group("gpu", gpus="2", cpu="64", memory="200Gi") | {"rayStartParams": given}
    assert plan(job(resources__gpus=1, budget__trials=100), [group]).groups[0].trials == parallel


@pytest.mark.parametrize(
    ("resources", "given", "parallel"),
    [
        ({"CPU": "2"}, {}, 2), ({"CPU": "1500m"}, {"num-cpus": "8"}, 2), ({"cpu": "3"}, {}, 3),
        ({"Custom": "7"}, {}, 4), ({"Custom": "7"}, {"num-cpus": "1"}, 1),
    ],
)  # fmt: skip
def test_cpus_in_a_group_s_own_resources_count_before_all_others(resources, given, parallel):
    group = _group() | {"rayStartParams": given, "resources": resources}
    assert plan(job(), [group]).groups[0].trials == parallel


@pytest.mark.parametrize(
    ("resources", "given", "parallel"),
    [({"GPU": "1"}, {}, 1), ({"GPU": "1"}, {"num-gpus": "4"}, 1), ({"nvidia.com/gpu": "3"}, {}, 3), (None, {}, 2)],
)
def test_gpus_in_a_group_s_own_resources_count_before_all_others(resources, given, parallel):
    group = _group("gpu", gpus="2", cpu="64", memory="200Gi") | {"rayStartParams": given, "resources": resources}
    assert plan(job(resources__gpus=1, budget__trials=100), [group]).groups[0].trials == parallel


@pytest.mark.parametrize("limits", [{"memory": "4GiB"}, {"cpu": "two"}])
def test_a_limit_that_is_no_amount_is_refused(limits):
    (value,) = limits.values()
    with pytest.raises(
        ClusterError, match=rf"amount '{value}', which Kubernetes does not accept: .* 2 or 500m.* 4Gi\."
    ):
        plan(job(), [_group(**limits)])


@pytest.mark.parametrize(
    ("memory", "left"), [("3Gi", 3 * 2**30 - 500_000_000), ("1500M", 10**9), ("100Mi", 0), ("1000000000", 500_000_000)]
)
def test_ray_s_own_memory_is_not_for_trials(memory, left):
    assert memory_for_trials(_group(memory=memory)) == left


def test_pods_are_as_many_as_trials_need():
    groups = [_group("small", 2), _group("large", 10), _group("gpu", 5, gpus="1")]
    found = plan(job(budget__trials=17), groups)
    assert [(group.name, group.pods, group.trials) for group in found.groups] == [
        ("small", 2, 4),
        ("large", 3, 4),
        ("gpu", 0, 0),
    ]
    assert (found.workers, found.wanted) == (17, 17)
    few = plan(job(budget__trials=100), groups[:1])
    assert (few.workers, few.wanted) == (8, 100)
    assert few.epochs == math.ceil(100 / 8) * job().budget.epochs


def test_memory_counts_as_cpus_do():
    made = study_manifests(job(resources__cpus=0.1, budget__trials=10), "beale", "local-cpu", "/studies", [])
    assert (made.plan.groups[0].trials, made.plan.groups[0].pods, made.plan.workers) == (3, 2, 6)
    assert "cpu: 0 to 2 pods, 3 trials in each by its 3.22 GB of memory" in str(made.plan)
    assert "workers' pods have 2 CPUs, 6.44 GB of memory" in str(made.plan)
    words = shlex.split(made.job["spec"]["entrypoint"])
    assert words[-4:] == ["--workers", "6", "--set", "resources.memory_gigabytes=0.75"]
    (group,) = made.job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert int(group["rayStartParams"]["memory"]) // 750_000_000 == 3


def test_memory_of_a_group_s_resources_leaves_some_to_ray_s_own_processes(monkeypatch):
    (template,) = chart.rendered("local-cpu")
    (group,) = template["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    group["resources"] = {"memory": "3Gi", "Custom": "1"}
    monkeypatch.setattr("pipeline.cluster.chart.rendered", lambda _: [template])
    made = study_manifests(job(resources__cpus=0.1, budget__trials=10), "beale", "local-cpu", "/studies", [])
    (group,) = made.job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert group["resources"] == {"memory": group["rayStartParams"]["memory"], "Custom": "1"}


def test_a_trial_may_say_what_memory_it_needs():
    large = job(resources__memory_gigabytes=2.5)
    made = study_manifests(large, "beale", "local-cpu", "/studies", ["--set", "resources.memory_gigabytes=2.5"])
    assert made.plan.groups[0].trials == 1
    assert made.job["spec"]["entrypoint"].count("memory_gigabytes") == 1
    with pytest.raises(ResourcesUnmet, match=r"and 3 GB of memory, and no pod has them in addition to the 500 MB"):
        study_manifests(job(resources__memory_gigabytes=3), "beale", "local-cpu", "/studies", [])


def test_a_head_without_memory_for_a_driver_is_refused():
    (template,) = chart.rendered("local-cpu")
    head = template["spec"]["rayClusterSpec"]["headGroupSpec"]
    check_head(head)
    head["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] = "512Mi"
    with pytest.raises(ResourcesUnmet, match=r"head's pod has 537 MB of memory.* need 1 GB"):
        check_head(head)
