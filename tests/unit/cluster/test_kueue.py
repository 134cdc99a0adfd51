"""Why a RayJob waits in a queue of Kueue."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.cluster.kueue import missing_queue, queue_of, queue_reason


def rayjob(*, suspend: bool = True, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """A RayJob in the queue `gpus`."""
    labels = {"kueue.x-k8s.io/queue-name": "gpus"} if labels is None else labels
    return {"metadata": {"name": "s-1", "uid": "u-1", "labels": labels}, "spec": {"suspend": suspend}}


def workload(owner: str = "u-1", **conditions: tuple[str, str]) -> dict[str, Any]:
    """What Kueue makes of a RayJob; conditions by type, each with its status and message."""
    reported = [{"type": kind, "status": status, "message": message} for kind, (status, message) in conditions.items()]
    return {"metadata": {"ownerReferences": [{"uid": owner}]}, "status": {"conditions": reported}}


def test_a_job_of_which_kueue_makes_no_workload_says_so() -> None:
    """A job without a workload after a while names the priority class that Kueue may lack; unknown ones say nothing."""
    job = rayjob(labels={"kueue.x-k8s.io/queue-name": "gpus", "kueue.x-k8s.io/priority-class": "hgih"})
    job["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    early, late = (datetime(2026, 1, 1, 0, minute, 30, tzinfo=UTC) for minute in (0, 1))
    assert queue_reason(job, [], now=early) == "s-1 waits in the queue 'gpus'"
    assert queue_reason(job, None, now=late) == "s-1 waits in the queue 'gpus'"
    said = queue_reason(job, [workload("another")], now=late)
    assert (
        "Kueue has created no workload for it, and creates none without the WorkloadPriorityClass 'hgih'. `kubectl"
        in said
    )


def test_only_a_suspended_job_waits_in_its_queue() -> None:
    """A job is queued only if it has a queue and is suspended; otherwise it runs or has another reason."""
    assert queue_of(rayjob()) == "gpus"
    assert queue_of(rayjob(suspend=False)) is None
    assert queue_of(rayjob(labels={})) is None
    assert queue_of({"metadata": {"labels": None}, "spec": {"suspend": True}}) is None


@pytest.mark.parametrize(
    ("workloads", "reason"),
    [
        ([], "s-1 waits in the queue 'gpus'"),
        ([{"metadata": {}}], "s-1 waits in the queue 'gpus'"),
        ([workload("another", QuotaReserved=("False", "no quota"))], "s-1 waits in the queue 'gpus'"),
        ([workload(QuotaReserved=("False", "no\n  quota"))], "s-1 waits in the queue 'gpus': no quota"),
        ([workload(QuotaReserved=("True", "reserved"))], "s-1 waits in the queue 'gpus'"),
        ([workload(QuotaReserved=("False", "no quota"), Admitted=("True", ""))], "s-1 waits in the queue 'gpus'"),
        (
            [workload(QuotaReserved=("False", "no quota"), Evicted=("True", "preempted"))],
            "s-1 was evicted from the queue 'gpus' and waits in it again: preempted",
        ),
        (
            [workload(Evicted=("True", "preempted")), workload(QuotaReserved=("False", "no quota"))],
            "s-1 waits in the queue 'gpus': no quota",
        ),
    ],
    ids=[
        "no workload", "no owner", "another's", "no quota", "reserved", "admitted", "evicted", "the last counts",
    ],
)  # fmt: skip
def test_the_reason_is_that_of_the_jobs_own_workload(workloads: list[dict[str, Any]], reason: str) -> None:
    """A queued job's reason is the one-line message of its own workload, about quota or preemption, if there is one."""
    assert queue_reason(rayjob(), workloads) == reason


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ({"state": "Pending", "message": "waits for nodes:\n ETA unknown"}, "waits for nodes: ETA unknown"),
        ({"state": "Pending", "message": ""}, "Pending"),
        ({"state": "Retry"}, "Retry"),
    ],
)
def test_a_job_that_has_quota_may_wait_for_a_check(check: dict[str, str], said: str) -> None:
    """A job with a reserved quota reports the check that holds it, as for new nodes; one that is admitted does not."""
    held = workload(QuotaReserved=("True", "reserved"))
    held["status"]["admissionChecks"] = [{"name": "zones", "state": "Ready"}, {"name": "nodes", **check}]
    expected = f"s-1 has quota in the queue 'gpus' and waits for its admission check 'nodes': {said}"
    assert queue_reason(rayjob(), [held]) == expected
    held["status"]["conditions"].append({"type": "Admitted", "status": "True", "message": ""})
    assert queue_reason(rayjob(), [held]) == "s-1 waits in the queue 'gpus'"


def test_a_queue_that_does_not_exist_is_named_with_those_that_do() -> None:
    """The error for a missing queue has the namespace's queues and how to make one; no queue is no error."""
    job = rayjob()
    job["metadata"]["namespace"] = "team"
    said = missing_queue(job, ["b", "a"])
    assert said is not None
    assert "no LocalQueue 'gpus' in the namespace 'team'. Available: a, b; --queue names one." in said
    assert "There are none." in str(missing_queue(job, []))
    assert missing_queue(job, ["gpus"]) is None
    assert missing_queue(rayjob(labels={}), []) is None
