"""Why a RayJob waits: what cannot mend itself, and what Kubernetes says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.cluster.rayjobs import fatal_reason, why_pods_wait
from tests.kubernetes_server import pod, rayjob

JOB = rayjob("Initializing", rayClusterName="c")


def at(minutes: float) -> str:
    return f"{datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"


def event(about: str, message: str, reason: str = "FailedToCreateHeadPod", minutes: float = 1) -> dict:
    involved = {"kind": "Pod", "name": about}
    return {"involvedObject": involved, "message": message, "reason": reason, "lastTimestamp": at(minutes)}


def waiting(reason: str, message: str = "") -> dict:
    return pod(containerStatuses=[{"image": "x:1", "state": {"waiting": {"reason": reason, "message": message}}}])


@pytest.mark.parametrize(
    ("reason", "message", "fatal"),
    [
        ("ErrImagePull", "429 Too Many Requests", False),
        ("ErrImagePull", "x:1: not found", True),
        ("ImagePullBackOff", "manifest unknown", True),
        ("ErrImagePull", "pull access denied, repository does not exist or may require authorization", True),
        ("ImagePullBackOff", 'Back-off pulling image "x:1"', False),
        ("ErrImageNeverPull", "not here", True),
        ("InvalidImageName", "couldn't parse", True),
        ("CreateContainerConfigError", 'secret "absent" not found', False),
    ],
)
def test_an_image_that_no_later_pull_can_get_is_fatal(reason: str, message: str, fatal: bool) -> None:
    (said,) = reasons = why_pods_wait(JOB, [waiting(reason, message)], [])
    assert said == f"the image x:1 of pod p does not start ({reason}): {message}"
    assert (fatal_reason(reasons) is not None) is fatal


def test_a_pod_says_in_kubernetes_words_why_it_does_not_run() -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available."}
    on_claim: dict[str, Any] = pod(conditions=[unscheduled])
    on_claim["spec"]["volumes"] = [{"persistentVolumeClaim": {"claimName": "studies"}}, {"emptyDir": {}}]
    events = [
        event("studies", 'storageclass "none" not found', "ProvisioningFailed"),
        event("p", "MountVolume.SetUp failed", "FailedMount", minutes=2),
        event("p", "0/2 nodes are available.", "FailedScheduling"),
        event("c-w-1", "The node was low on memory.", "Evicted"),
        event("other", "no concern of ours"),
        event("other-w", "low", "Evicted"),
    ]
    assert why_pods_wait(JOB, [on_claim], events) == [
        "pod p waits for a node: 0/2 nodes are available",
        "FailedMount: MountVolume.SetUp failed (Pod p)",
        'ProvisioningFailed: storageclass "none" not found (Pod studies)',
        "Evicted: The node was low on memory (Pod c-w-1)",
    ]
    assert len(why_pods_wait(JOB, [pod(phase="Running")], events)) == 1
    assert why_pods_wait(JOB, [waiting("ContainerCreating")], []) == []


@pytest.mark.parametrize(
    ("message", "fatal"),
    [
        ('pods "h" is forbidden: violates PodSecurity "restricted:latest"', True),
        ('admission webhook "k" denied the request: labels', True),
        ('pods "h" is forbidden: exceeded quota: gpus, requested: pods=1, used: pods=4, limited: pods=4', False),
        ('pods "h" is forbidden: status unknown for quota: gpus, resources: pods', False),
        ('configmap "j" is forbidden: User "system:node:n" cannot get resource: no relationship found', False),
        ("failed calling webhook: connection refused", False),
    ],
)
def test_a_policy_forbids_a_pod_and_a_quota_may_have_room_later(message: str, fatal: bool) -> None:
    reasons = why_pods_wait(JOB, [], [event("c", message)])
    assert len(reasons) == 1
    assert (fatal_reason(reasons) is not None) is fatal
    # What was refused before the newest pod was created has passed, and so have events of an older RayJob.
    newer = pod(phase="Running", kind="worker")
    newer["metadata"]["creationTimestamp"] = at(5)
    assert why_pods_wait(JOB, [newer], [event("c", message)]) == []
    assert why_pods_wait(JOB, [], [event("c", message, minutes=-1)]) == []
