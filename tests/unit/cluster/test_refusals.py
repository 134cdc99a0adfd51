"""Pods that a namespace refuses to create."""

from datetime import UTC, datetime, timedelta

import pytest
from kubernetes.client import CoreV1Event

from pipeline.cluster.refusals import refusal
from tests.unit.cluster.kubernetes_objects import event_about, pod_with
from tests.unit.cluster.kubernetes_server import rayjob

JOB = rayjob("Initializing", rayClusterName="s-1-abc")
START = datetime(2026, 1, 1, tzinfo=UTC)
FORBIDDEN = 'pods "s-1-head" is forbidden: violates PodSecurity "restricted:latest"'


def exceeded(requested: str, used: str, limited: str, pod: str = "s-1-abc-gpu-worker-x7f2k") -> str:
    """The message of an event about a pod for which a quota has no room."""
    return (
        f'Failed to create worker Pod for the cluster tunepipe/s-1-abc, pods "{pod}" is forbidden: exceeded quota: '
        f"tunepipe, requested: {requested}, used: {used}, limited: {limited}"
    )


GPUS = exceeded(*(f"requests.nvidia.com/gpu={number}" for number in (1, 4, 4)))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (FORBIDDEN, "FailedCreate"),
        ('pods "x" is forbidden: failed quota: q: must specify limits.cpu', "FailedCreate"),
        ('admission webhook "validate.kyverno.svc-fail" denied the request: labels are missing', "FailedCreate"),
        ('Pod "x" is invalid: spec.containers[0].resources.requests: Invalid value: "8"', "FailedToCreateHeadPod"),
        ("no service account", "AutoscalerServiceAccountNotFound"),
    ],
)
@pytest.mark.parametrize("about", ["s-1", "s-1-abc"])
def test_a_policy_lasts(about: str, message: str, reason: str) -> None:
    """A pod of the RayJob or of its cluster that a policy forbids stays forbidden, whatever a quota says."""
    found = refusal(JOB, [], [event_about("s-1", GPUS), event_about(about, f"{message}.", reason=reason)])
    assert found is not None
    assert (found.text, found.permanent) == (message, True)


@pytest.mark.parametrize(
    "message",
    [GPUS, exceeded("pods=1,requests.memory=16Gi", "pods=9,requests.memory=60Gi", "pods=9,requests.memory=64Gi")],
)
def test_a_quota_that_is_used_up_may_have_room_later(message: str) -> None:
    """A quota that other pods use up is waited for, with the server's text without the name of the pod."""
    found = refusal(JOB, [], [event_about("s-1-abc", message)])
    assert found is not None
    assert not found.permanent
    assert found.text == (
        "the quota of the namespace 'tunepipe' has no room for another pod now: "
        f"exceeded quota{message.partition('exceeded quota')[2]}"
    )


@pytest.mark.parametrize(
    ("message", "beyond"),
    [
        (exceeded("pods=1", "pods=0", "pods=0"), "pods: 1 of 0"),
        (
            exceeded("pods=1,requests.memory=1536Mi", "pods=7,requests.memory=0", "pods=7,requests.memory=1Gi"),
            "requests.memory: 1536Mi of 1Gi",
        ),
        (exceeded("requests.cpu=1500m", "requests.cpu=0", "requests.cpu=1"), "requests.cpu: 1500m of 1"),
    ],
)
def test_a_pod_that_is_larger_than_the_quota_is_never_created(message: str, beyond: str) -> None:
    """A pod that requests more than the whole quota is refused permanently, with these resources."""
    found = refusal(JOB, [], [event_about("s-1-abc", message)])
    assert found is not None
    assert found.permanent
    assert f"One pod requests more than the whole quota ({beyond})" in found.text


@pytest.mark.parametrize("message", ["exceeded quota: gpus", exceeded("pods=many", "pods=1", "pods=few")])
def test_a_quota_without_amounts_is_waited_for(message: str) -> None:
    """A quota whose message has no amounts, or amounts that are not numbers, is waited for."""
    found = refusal(JOB, [], [event_about("s-1", message)])
    assert found is not None
    assert not found.permanent


def test_a_new_quota_is_waited_for() -> None:
    """A quota for which the server has counted nothing yet is waited for, although its message says forbidden."""
    found = refusal(
        JOB, [], [event_about("s-1", 'pods "x" is forbidden: status unknown for quota: q, resources: pods')]
    )
    assert found is not None
    assert not found.permanent


def test_the_newest_event_of_a_quota_counts() -> None:
    """A quota that was raised is waited for, although an older event was of a pod larger than the quota."""
    raised = event_about("s-1-abc", GPUS, START + timedelta(minutes=5))
    small = event_about("s-1-abc", exceeded("pods=1", "pods=0", "pods=0"), START + timedelta(minutes=1))
    found = refusal(JOB, [], [raised, small])
    assert found is not None
    assert not found.permanent


@pytest.mark.parametrize(
    ("about", "reason", "attempt"),
    [
        ("s-1", "FailedCreate", "Error creating: "),
        ("s-1", "FailedToCreateRayCluster", "Failed to create RayCluster tunepipe/s-1-abc: "),
        ("s-1-abc", "FailedToCreateHeadPod", "Failed to create head Pod tunepipe/s-1-abc-head-x7f2k, "),
        ("s-1-abc", "FailedToCreateService", "Failed creating service tunepipe/s-1-abc-head-svc, "),
    ],
)
def test_an_object_that_cannot_be_created_is_waited_for(about: str, reason: str, attempt: str) -> None:
    """A webhook that is away, or another error of each attempt to create an object, is named from the second one on."""
    cause = 'Internal error occurred: failed calling webhook "validate.kyverno.svc-fail": context deadline exceeded'
    once, again = (event_about(about, attempt + cause, reason=reason, count=count) for count in (1, 2))
    assert refusal(JOB, [], [once]) is None
    assert refusal(JOB, [], [again]) == refusal(JOB, [], [once, once])
    found = refusal(JOB, [], [again])
    assert found is not None
    assert not found.permanent
    assert found.text == f"an object of 's-1' cannot be created now, and KubeRay tries again: {cause}"


@pytest.mark.parametrize("message", [GPUS, FORBIDDEN])
def test_a_refusal_ends_when_a_pod_is_created(message: str) -> None:
    """A refusal is over once a pod was created after it, and not for a pod of another object or an older one."""
    event = event_about("s-1-abc", message, START + timedelta(minutes=5))
    older, newer = (START + timedelta(minutes=minutes) for minutes in (4, 6))
    assert refusal(JOB, [pod_with({"ray.io/cluster": "s-1-abc"}, older)], [event]) is not None
    assert refusal(JOB, [pod_with({"job-name": "s-1"}, newer)], [event]) is not None
    assert refusal(JOB, [pod_with({"ray.io/cluster": "s-1-abc"}, newer)], [event]) is None


@pytest.mark.parametrize(
    "event",
    [
        event_about("s-1", "Back-off restarting failed container"),
        event_about("other", GPUS),
        event_about("s-1", GPUS, datetime(2025, 12, 31, 23, 59, tzinfo=UTC)),
    ],
    ids=["another-warning", "another-object", "before-it-was-created"],
)
def test_other_events_refuse_nothing(event: CoreV1Event) -> None:
    """Other warnings, and events of another object or of an older RayJob, refuse no pod."""
    assert refusal(JOB, [], [event]) is None
