"""What goes wrong with a RayJob because of KubeRay's operator."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kubernetes.client import V1ContainerState, V1ContainerStateTerminated, V1ContainerStatus, V1Pod

from pipeline.cluster.operator_diagnostics import absent_operator, lost_head, unreachable_head
from tests.unit.cluster.kubernetes_objects import pod_with
from tests.unit.cluster.kubernetes_server import rayjob

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
UNREAD = "The RayJob submitter finished at 2026-01-01 00:59:00 but the ray job did not reach terminal state within 30s"
"""KubeRay's message where it could not read a job's state from the head."""


def test_an_operator_that_processes_nothing_is_absent() -> None:
    """A RayJob without a status after 45 s has no operator, and the message has the time, the RayJob and namespace."""
    reported = absent_operator(rayjob(), 46.0)
    assert reported is not None
    assert reported.startswith(
        "No operator has started the RayJob 's-1' in 46 s: the KubeRay operator does not run, or does not watch the "
        "namespace 'tunepipe'. "
    )
    assert absent_operator(rayjob(), 45.0) is None


def test_a_processed_or_suspended_rayjob_has_an_operator() -> None:
    """A RayJob with a status, and one that a queue suspends, do not show that the operator is absent."""
    suspended = rayjob()
    suspended["spec"]["suspend"] = True
    assert absent_operator(rayjob("Initializing"), 1000.0) is None
    assert absent_operator(suspended, 1000.0) is None


@pytest.mark.parametrize(
    ("job", "phases", "lost"),
    [
        (rayjob("Running", rayClusterName="s-1-c"), [], True),
        (rayjob("Running", rayClusterName="s-1-c"), ["Failed"], True),
        (rayjob("Running", rayClusterName="s-1-c"), ["Failed", "Running"], False),
        (rayjob("Running", rayClusterName="s-1-c"), ["Pending"], False),
        (rayjob("Initializing", rayClusterName="s-1-c"), [], False),
        (rayjob("Running"), [], False),
        (rayjob(), [], False),
    ],
)
def test_a_running_study_without_a_head_has_lost_it(job: dict[str, Any], phases: list[str], lost: bool) -> None:
    """A RayJob that runs has lost its head if all pods of heads are deleted or have ended; others have none yet."""
    heads = [pod_with({"ray.io/node-type": "head"}, phase=phase) for phase in phases]
    found = lost_head({**job, "spec": {"backoffLimit": 3}}, heads)
    assert (found is not None) is lost
    assert not lost or str(found).startswith("s-1 has lost its head. KubeRay starts it again on a new cluster")


@pytest.mark.parametrize(("failed", "again"), [(0, True), (2, True), (3, False)])
def test_the_last_loss_of_a_head_is_final(failed: int, again: bool) -> None:
    """After as many failures as a RayJob may have, KubeRay does not start it again, and the message has the remedy."""
    job = {**rayjob("Running", rayClusterName="s-1-c", failed=failed), "spec": {"backoffLimit": 3}}
    found = lost_head(job, [])
    assert found is not None
    assert ("KubeRay starts it again" in found, "submit the study again to resume it" in found) == (again, not again)


def submitter(phase: str = "Succeeded", *, ended: float | None = 60.0, job_name: str = "s-1") -> V1Pod:
    """A submitter's pod that ended this many seconds ago."""
    statuses = []
    if ended is not None:
        terminated = V1ContainerStateTerminated(exit_code=0, finished_at=NOW - timedelta(seconds=ended))
        state = V1ContainerState(terminated=terminated)
        statuses = [V1ContainerStatus(name="c", image="x", image_id="", ready=False, restart_count=0, state=state)]
    return pod_with({"job-name": job_name}, phase=phase, container_statuses=statuses)


@pytest.mark.parametrize("ended", [10.0, 60.0, None])
def test_a_study_whose_end_is_not_read_has_an_unreachable_head(ended: float | None) -> None:
    """If the operator has no state of a job whose submitter succeeded, the message has the port and the policy."""
    reported = unreachable_head(rayjob("Running"), [submitter(ended=ended)], NOW)
    assert reported is not None
    assert reported.startswith(
        "s-1: the study's command has ended, but the KubeRay operator could not read that from port"
    )
    assert "patch k8s/base/foundation/network-operator.yaml in the overlay's foundation/" in reported


@pytest.mark.parametrize("state", ["Running", "Retrying", "Failed"])
def test_the_operators_timeout_means_an_unreachable_head(state: str) -> None:
    """The operator's message about the submitter's end means the same, while it retries the RayJob and at the end."""
    status = {"jobStatus": "FAILED", "reason": "JobDeploymentStatusTransitionGracePeriodExceeded", "message": UNREAD}
    job = rayjob(state, **status)
    assert unreachable_head(job, [], NOW) == unreachable_head(rayjob("Running"), [submitter()], NOW)


def test_an_operator_that_never_read_the_state_has_given_up() -> None:
    """A RayJob whose state the operator never read may still have been training, and is not started again."""
    reported = unreachable_head(rayjob("Failed", reason="JobStatusCheckTimeoutExceeded"), [], NOW)
    assert reported is not None
    assert "in five minutes, and has given up on the RayJob; the study's records are kept" in reported
    assert "NetworkPolicy 'operator' of the namespace 'tunepipe'" in reported


@pytest.mark.parametrize(
    ("job", "pods"),
    [
        (rayjob("Running"), []),
        (rayjob("Running"), [submitter("Running", ended=None)]),
        (rayjob("Running"), [submitter("Failed")]),
        (rayjob("Running"), [submitter(ended=9.0)]),
        (rayjob("Running"), [submitter(), submitter("Running", ended=None)]),
        (rayjob("Running"), [submitter(job_name="s-2")]),
        (rayjob("Initializing"), [submitter()]),
        (rayjob("Running", jobStatus="RUNNING"), [submitter()]),
        (rayjob("Complete", jobStatus="SUCCEEDED"), []),
        (rayjob("Failed", message="Job entrypoint command failed with exit code 1"), []),
    ],
    ids=["no-submitter", "submits", "failed", "just-ended", "second", "another", "starts", "read", "complete", "exit"],
)
def test_a_head_that_may_be_reached_is_not_reported(job: dict[str, Any], pods: list[V1Pod]) -> None:
    """A study that runs, has only just ended, or whose state the operator knows has no unreachable head."""
    assert unreachable_head(job, pods, NOW) is None


def test_a_lost_head_is_no_unreachable_head() -> None:
    """A head that was lost after the operator had read its job leads to the same timeout and is not reported."""
    job = rayjob("Retrying", message=UNREAD, rayJobInfo={"startTime": "2026-01-01T00:30:00Z"})
    assert unreachable_head(job, [], NOW) is None
