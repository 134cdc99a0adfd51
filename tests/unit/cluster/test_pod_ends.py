"""Pods whose container ends again and again."""

import pytest

from pipeline.cluster.pod_ends import repeated_end
from tests.unit.cluster.kubernetes_objects import event_about
from tests.unit.cluster.kubernetes_server import rayjob

ENDED = (
    "Deleted {kind} Pod tunepipe/{name}; Pod status: Failed; Pod restart policy: Never; Ray container terminated "
    "status: &ContainerStateTerminated{{ExitCode:{code},Signal:0,Reason:{reason},Message:,"
    "StartedAt:2026-01-01 00:00:00 +0000 UTC,FinishedAt:2026-01-01 00:00:01 +0000 UTC,ContainerID:containerd://c,}}"
)
JOB = rayjob("Initializing", rayClusterName="s-1-abcde")


def deleted(kind: str = "head", code: int = 1, reason: str = "Error", about: str = "s-1-abcde", **fields: object):
    """An event with which the operator deletes a pod that has ended."""
    message = ENDED.format(kind=kind, name="p", code=code, reason=reason)
    return event_about(about, message, reason=f"Deleted{kind.capitalize()}Pod", **fields)


@pytest.mark.parametrize("kind", ["head", "worker"])
def test_pods_that_end_again_and_again_are_the_reason(kind: str) -> None:
    """Two pods of one kind that ended by themselves are the reason, with an exit code and the command for the log."""
    expected = (
        f"the {kind} of s-1 ends again and again, at last with exit code 137 (OOMKilled); `kubectl logs -n tunepipe -f "
        f"-l ray.io/cluster=s-1-abcde,ray.io/node-type={kind} -c ray-{kind}` shows the output of the present one"
    )
    assert repeated_end(JOB, [deleted(kind), deleted(kind, 137, "OOMKilled")]) == expected
    assert repeated_end(JOB, [deleted(kind, 137, "OOMKilled", count=2)]) == expected


@pytest.mark.parametrize(
    "events",
    [
        [deleted()],
        [deleted("head"), deleted("worker")],
        [deleted(code=0, reason="Completed")] * 2,
        [deleted(about="s-1-other")] * 2,
        [event_about("s-1-abcde", "Deleted head Pod tunepipe/p; Pod status: Failed", reason="DeletedHeadPod")] * 2,
    ],
    ids=["once", "one of each kind", "successfully", "another cluster", "no exit code"],
)
def test_other_pods_that_the_operator_deletes_are_no_reason(events: list[object]) -> None:
    """A pod that ended once or successfully, was not seen to end, or is of another cluster says nothing."""
    assert repeated_end(JOB, events) is None
