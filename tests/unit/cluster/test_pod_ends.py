"""Pods whose container ends repeatedly."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.cluster.pod_ends import repeated_end
from tests.unit.cluster.kubernetes_objects import event_about
from tests.unit.cluster.kubernetes_server import rayjob

ENDED = (
    "Deleted {kind} Pod tunepipe/{name}; Pod status: Failed; Pod restart policy: Never; Ray container terminated "
    "status: &ContainerStateTerminated{{ExitCode:{code},Signal:0,Reason:{reason},Message:,"
    "StartedAt:{started:{moment}},FinishedAt:{finished:{moment}},ContainerID:containerd://c,}}"
)
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
JOB = rayjob("Initializing", rayClusterName="s-1-abcde")


def deleted(
    kind: str = "head", code: int = 1, reason: str = "Error", about: str = "s-1-abcde",
    *, minute: float | None = None, ran: float = 1 / 60, **fields: object,
):  # fmt: skip
    """An event with which the operator deletes a pod that has ended, at a minute after midnight; it ran for minutes."""
    message = ENDED.format(
        kind=kind, name="p", code=code, reason=reason, moment="%Y-%m-%d %H:%M:%S %z UTC",
        started=MIDNIGHT, finished=MIDNIGHT + timedelta(minutes=ran),
    )  # fmt: skip
    when = None if minute is None else MIDNIGHT + timedelta(minutes=minute)
    return event_about(about, message, when, reason=f"Deleted{kind.capitalize()}Pod", **fields)


@pytest.mark.parametrize("kind", ["head", "worker"])
def test_pods_that_end_again_and_again_are_the_reason(kind: str) -> None:
    """Two pods of one kind that ended by themselves are the reason, with an exit code and the command for the log."""
    expected = (
        f"the {kind} of s-1 ends repeatedly, last with exit code 137 (OOMKilled); `kubectl logs -n tunepipe -f "
        f"-l ray.io/cluster=s-1-abcde,ray.io/node-type={kind} -c ray-{kind}` shows the output of the current one"
    )
    assert repeated_end(JOB, [deleted(kind), deleted(kind, 137, "OOMKilled")]) == expected
    assert repeated_end(JOB, [deleted(kind, 137, "OOMKilled", count=2)]) == expected
    assert repeated_end(JOB, [deleted(kind, minute=1), deleted(kind, 137, "OOMKilled", minute=3, ran=1.5)]) == expected
    combined = deleted(kind, 137, "OOMKilled", minute=30, count=12, first_timestamp=MIDNIGHT)
    assert repeated_end(JOB, [combined]) == expected


@pytest.mark.parametrize(
    "events",
    [
        [deleted()],
        [deleted("head"), deleted("worker")],
        [deleted(code=0, reason="Completed")] * 2,
        [deleted(about="s-1-other")] * 2,
        [event_about("s-1-abcde", "Deleted head Pod tunepipe/p; Pod status: Failed", reason="DeletedHeadPod")] * 2,
        [deleted("worker", minute=1), deleted("worker", minute=9)],
        [deleted("worker", minute=30, count=3, first_timestamp=MIDNIGHT)],
        [deleted("worker", 137, minute=30, ran=12), deleted("worker", 137, minute=30, ran=9)],
    ],
    ids=[
        "once", "one of each kind", "successfully", "another cluster", "no exit code",
        "minutes apart", "minutes apart, combined", "nodes taken away together",
    ],
)  # fmt: skip
def test_other_pods_that_the_operator_deletes_are_no_reason(events: list[object]) -> None:
    """Pods that ended once, successfully, minutes apart or after a while, or of another cluster, say nothing."""
    assert repeated_end(JOB, events) is None
