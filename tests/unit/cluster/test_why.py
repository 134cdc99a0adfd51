"""Why a RayJob waits: what cannot mend itself, and what Kubernetes says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.cluster.why import diagnose, queue_reason
from tests.unit.cluster.kubernetes_server import pod, rayjob

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
JOB = rayjob("Initializing", rayClusterName="c")


def at(minutes: float) -> str:
    return (CREATED + timedelta(minutes=minutes)).isoformat()


def event(about: str, message: str, reason: str = "FailedToCreateHeadPod", minutes: float = 1, **fields: Any) -> dict:
    return {
        "involvedObject": {"kind": "Pod", "name": about}, "message": message, "reason": reason,
        "lastTimestamp": at(minutes), **fields,
    }  # fmt: skip


def container(reason: str, message: str = "") -> dict:
    return {"name": "c", "image": "x:1", "state": {"waiting": {"reason": reason, "message": message}}}


def waiting(*statuses: dict, **status: Any) -> dict:
    return pod(containerStatuses=list(statuses), **status)


@pytest.mark.parametrize(
    ("reason", "message", "pulls", "fatal"),
    [
        ("ErrImagePull", "429 Too Many Requests", 1, False),
        ("ErrImagePull", "429 Too Many Requests", 3, True),
        ("ImagePullBackOff", "manifest unknown", 0, True),
        ("ImagePullBackOff", 'Back-off pulling image "x:1"', 2, False),
        ("ErrImageNeverPull", "not here", 0, True),
        ("InvalidImageName", "couldn't parse", 0, True),
        ("CreateContainerConfigError", 'secret "absent" not found', 0, False),
        ("CrashLoopBackOff", "back-off 5m0s restarting failed container", 0, False),
    ],
)
def test_an_image_that_no_later_pull_can_get_is_fatal(reason, message, pulls, fatal):
    events = [event("p", f'Failed to pull image "x:1": {message}', "Failed", count=pulls)] if pulls else []
    found = diagnose(JOB, [waiting(container(reason, message))], events)
    assert (found.fatal is not None) is fatal
    said = found.fatal if fatal else "; ".join(found.waits)
    assert message.rstrip(".") in said
    assert reason in said


def test_a_pod_says_in_kubernetes_words_why_it_does_not_run():
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available."}
    on_claim = pod(conditions=[unscheduled])
    on_claim["spec"]["volumes"] = [{"persistentVolumeClaim": {"claimName": "studies"}}, {"emptyDir": {}}]
    events = [
        event("studies", 'storageclass "none" not found', "ProvisioningFailed"),
        event("p", "MountVolume.SetUp failed", "FailedMount", minutes=2),
        event("p", "0/2 nodes are available.", "FailedScheduling", count=9),
        event("other", "no concern of ours", count=9),
    ]
    found = diagnose(JOB, [on_claim], events)
    assert found.fatal is None
    assert found.waits == (
        "pod p waits for a node: 0/2 nodes are available",
        "FailedMount: MountVolume.SetUp failed (Pod p)",
        'ProvisioningFailed: storageclass "none" not found (Pod studies)',
    )
    assert diagnose(JOB, [pod(phase="Running")], events).waits == ()
    assert diagnose(JOB, [waiting(container("ContainerCreating"))], []).waits == ()


@pytest.mark.parametrize(
    ("message", "fatal"),
    [
        ('pods "h" is forbidden: violates PodSecurity "restricted:latest"', True),
        ('admission webhook "k" denied the request: labels', True),
        ('pods "h" is forbidden: exceeded quota: gpus, requested: pods=1, used: pods=4, limited: pods=4', False),
        ("status unknown for quota: gpus, resources: pods", False),
        ("failed calling webhook: connection refused", False),
    ],
)
def test_a_policy_forbids_a_pod_and_a_quota_may_have_room_later(message, fatal):
    found = diagnose(JOB, [], [event("c", message)])
    assert (found.fatal is not None, bool(found.waits)) == (fatal, not fatal)
    # What was refused before the newest pod was created has passed, and so have events of an older RayJob.
    newer = pod(phase="Running", kind="worker")
    newer["metadata"]["creationTimestamp"] = at(5)
    assert diagnose(JOB, [newer], [event("c", message)]) == diagnose(JOB, [], [])
    assert diagnose(JOB, [], [event("c", message, minutes=-1)]) == diagnose(JOB, [], [])


def test_pods_that_end_with_an_error_and_that_nodes_evict():
    ended = "Deleted head Pod tunepipe/h; Ray container terminated status: {ExitCode:7,Signal:0,Reason:Error}"
    found = diagnose(JOB, [], [
        event("c", ended, "DeletedHeadPod"), event("c", ended.replace("7", "0"), "DeletedWorkerPod"),
        event("c-w-1", "The node was low on memory.", "Evicted", minutes=2), event("other-w", "low", "Evicted"),
    ])  # fmt: skip
    assert found.waits == ()
    assert [each.partition(" ")[0] for each in found.lost] == ["Evicted:", "DeletedHeadPod:"]
    assert "ExitCode:7" in found.lost[1]


def queued(*conditions: tuple[str, str, str], checks: Any = ()) -> tuple[dict, dict]:
    """A RayJob in Kueue's queue, and its workload with conditions: type, status and message."""
    job = rayjob("Suspended")
    job["metadata"] |= {"uid": "u-1", "labels": {"kueue.x-k8s.io/queue-name": "gpus"}}
    reported = [{"type": name, "status": status, "message": message} for name, status, message in conditions]
    status = {"conditions": reported, "admissionChecks": list(checks)}
    return job, {"metadata": {"name": "w", "ownerReferences": [{"uid": "u-1"}]}, "status": status}


@pytest.mark.parametrize(
    ("conditions", "checks", "said"),
    [
        ([("QuotaReserved", "False", "insufficient unused quota")], (), ": insufficient unused quota"),
        (
            [("QuotaReserved", "False", "pending"), ("Evicted", "True", "Preempted to accommodate")],
            (),
            ": Preempted to accommodate",
        ),
        (
            [("QuotaReserved", "True", "")],
            [{"name": "nodes", "state": "Pending", "message": "waits for nodes"}],
            " for its admission check 'nodes': waits for nodes",
        ),
        ([], (), ""),
    ],
)
def test_a_study_in_a_queue_has_kueues_reason(conditions, checks, said):
    job, workload = queued(*conditions, checks=checks)
    assert queue_reason(job, [workload]) == f"s-1 waits in the queue 'gpus'{said}"


def test_a_queue_whose_workloads_are_not_listed_or_not_made():
    job, _ = queued()
    assert queue_reason(job, None) == "s-1 waits in the queue 'gpus'"
    job["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] = "low"
    assert "created no workload for it (is there the WorkloadPriorityClass 'low'?)" in queue_reason(job, [])
