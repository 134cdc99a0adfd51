"""Why a RayJob's pods do not run."""

import pytest
from kubernetes.client import V1PodCondition

from pipeline.cluster.pod_diagnostics import Diagnosis, diagnose, is_running_worker, unscheduled_reason
from tests.unit.cluster.kubernetes_objects import event_about, failed_pull, pod_with, waiting_container
from tests.unit.cluster.kubernetes_server import rayjob

JOB = rayjob("Initializing", rayClusterName="s-1-abc")
UNSCHEDULED = V1PodCondition(type="PodScheduled", status="False", message="0/2 nodes are available.")


def test_a_missing_image_is_fatal() -> None:
    """An image that does not exist is fatal, with the remedies."""
    found = diagnose(JOB, [pod_with(container_statuses=[waiting_container("ErrImagePull")])], [])
    assert found.waits == ()
    assert found.fatal is not None
    assert found.fatal.startswith("The image 'x:1' of pod p cannot be pulled: not found (ErrImagePull). ")
    assert found.fatal.endswith(", or name another image with --image.")


def test_a_namespace_that_refuses_a_pod_is_fatal() -> None:
    """A pod that the namespace forbids is fatal, with the event's message and the remedies."""
    message = 'pods "s-1-head" is forbidden: violates PodSecurity "restricted:latest"'
    assert diagnose(JOB, [], [event_about("s-1-abc", message)]).fatal == (
        f"The namespace 'tunepipe' refuses a pod of 's-1': {message}. Change the overlay, or ask the owner of the "
        "namespace."
    )


def test_reasons_that_may_pass_are_waited_for() -> None:
    """A pod without a node, an image that was not pulled yet and a quota without room now are waited for, each once."""
    pods = [
        pod_with(conditions=[UNSCHEDULED]),
        pod_with(container_statuses=[waiting_container("ImagePullBackOff", "timeout")]),
    ]
    events = [failed_pull("i/o timeout"), event_about("s-1", "exceeded quota: gpus")]
    assert diagnose(JOB, pods, events) == Diagnosis(
        None,
        (
            "pod p waits for a node: 0/2 nodes are available",
            "the image 'x:1' could not be pulled yet, and the nodes try again: i/o timeout",
            "the quota of the namespace 'tunepipe' has no room for another pod now: exceeded quota: gpus",
        ),
    )
    assert diagnose(JOB, [pod_with()], []) == Diagnosis(None, ())


def test_an_eviction_is_the_reason_why_a_container_ended() -> None:
    """A worker that was evicted twice is reported with its node's reasons, not as a container that ends repeatedly."""
    terminated = "&ContainerStateTerminated{ExitCode:137,Signal:0,Reason:Error,Message:,}"
    message = f"Deleted worker Pod tunepipe/s-1-abc-worker-x; Pod status: Failed; {terminated}"
    ended = [event_about("s-1-abc", message, reason="DeletedWorkerPod")] * 2
    assert diagnose(JOB, [], ended).waits != ()
    evicted = event_about("s-1-abc-worker-x", "The node was low on resource: memory.", reason="Evicted")
    reason = "pod s-1-abc-worker-x was evicted from its node: The node was low on resource: memory"
    assert diagnose(JOB, [], [evicted, *ended]) == Diagnosis(None, (), (reason,))


def test_an_eviction_does_not_hide_another_reason() -> None:
    """A head that ends repeatedly is reported although a worker was evicted before."""
    terminated = "&ContainerStateTerminated{ExitCode:1,Signal:0,Reason:Error,Message:,}"
    message = f"Deleted head Pod tunepipe/s-1-abc-head-y; Pod status: Failed; {terminated}"
    ended = [event_about("s-1-abc", message, reason="DeletedHeadPod")] * 2
    evicted = event_about("s-1-abc-worker-x", "The node was low on resource: memory.", reason="Evicted")
    found = diagnose(JOB, [], [evicted, *ended])
    assert [each.partition(",")[0] for each in found.waits] == ["the head of s-1 ends repeatedly"]
    assert len(found.evicted) == 1


def test_a_pod_without_a_node_has_a_reason() -> None:
    """A pod without a node has the scheduler's reason; one with a node or no condition has none."""
    has = V1PodCondition(type="PodScheduled", status="True")
    full = V1PodCondition(type="PodScheduled", status="False", message="0/2 nodes: 2 Insufficient ephemeral-storage.")
    assert unscheduled_reason(pod_with(conditions=[full])) == (
        "pod p waits for a node: 0/2 nodes: 2 Insufficient ephemeral-storage (ephemeral-storage is disk: the overlay "
        "can request less of it)"
    )
    assert unscheduled_reason(pod_with(conditions=[UNSCHEDULED])) == "pod p waits for a node: 0/2 nodes are available"
    assert unscheduled_reason(pod_with(conditions=[has])) is None
    assert unscheduled_reason(pod_with()) is None


@pytest.mark.parametrize(
    ("phase", "kind", "expected"),
    [("Running", "worker", True), ("Pending", "worker", False), ("Running", "head", False), ("Running", None, False)],
)
def test_only_a_running_worker_trains(phase: str, kind: str | None, expected: bool) -> None:
    """Only a running worker pod counts as training: a head, a pending pod or a pod outside Ray does not."""
    labels = None if kind is None else {"ray.io/node-type": kind}
    assert is_running_worker(pod_with(labels, phase=phase)) == expected
