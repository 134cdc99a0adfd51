"""An image that a node cannot pull."""

from datetime import UTC, datetime, timedelta

import pytest
from kubernetes.client import CoreV1Event, V1ContainerStatus

from pipeline.cluster.image_pulls import image_problem
from tests.unit.cluster.kubernetes_objects import event_about, failed_pull, pod_with, waiting_container

BUSY = "429 Too Many Requests - toomanyrequests: You have reached your unauthenticated pull rate limit"
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("containers", ["container_statuses", "init_container_statuses"])
@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("InvalidImageName", 'couldn\'t parse image name "X"'),
        ("ErrImageNeverPull", 'Container image "x:1" is not present with pull policy of Never'),
        ("ErrImagePull", 'failed to resolve reference "lab/x:1": lab/x:1: not found'),
        ("ImagePullBackOff", 'Back-off pulling image "x:1": ErrImagePull: manifest unknown'),
    ],
)
def test_an_image_that_does_not_exist_lasts(reason: str, message: str, containers: str) -> None:
    """An image that is missing in its registry, or never pulled, is reported immediately with pod and reason."""
    found = image_problem(pod_with(**{containers: [waiting_container(reason, message)]}), [])
    assert found is not None
    assert found.permanent
    assert found.paragraph.startswith(f"The image 'x:1' of pod p cannot be pulled: {message} ({reason}). ")


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"])
@pytest.mark.parametrize(
    "cause", [BUSY, "dial tcp 10.0.0.1:443: i/o timeout", "unauthorized: authentication required", "denied", None]
)
def test_a_failed_pull_may_succeed_later(reason: str, cause: str | None) -> None:
    """A busy or silent registry and a refused login do not mean a missing image, even without the node's message."""
    found = image_problem(pod_with(container_statuses=[waiting_container(reason, cause)]), [])
    assert found is not None
    assert not found.permanent
    assert found.clause == (f"the image 'x:1' could not be pulled yet, and the nodes try again: {cause or reason}")


@pytest.mark.parametrize(
    ("events", "permanent"),
    [
        ([failed_pull(BUSY, count=2)], False),
        ([failed_pull(BUSY, count=3)], True),
        ([failed_pull(f"{BUSY} ({number})") for number in range(3)], True),
        ([failed_pull(BUSY, count=2), failed_pull(BUSY, count=9, image="x:10")], False),
        ([event_about("q", f'Failed to pull image "x:1": {BUSY}', count=9)], False),
        ([event_about("p", "Error: ImagePullBackOff", count=9)], False),
    ],
    ids=["two", "three", "three-texts", "another-image", "another-pod", "another-warning"],
)
def test_three_failed_pulls_last(events: list[CoreV1Event], permanent: bool) -> None:
    """After three failed pulls by its pod, which events count, an image counts as missing."""
    pod = pod_with(container_statuses=[waiting_container("ImagePullBackOff", 'Back-off pulling image "x:1"')])
    found = image_problem(pod, events)
    assert found is not None
    assert found.permanent == permanent


def test_the_newest_failed_pull_says_why() -> None:
    """The cause is that of the newest failed pull, which the container's own message lacks between two pulls."""
    pod = pod_with(container_statuses=[waiting_container("ImagePullBackOff", 'Back-off pulling image "x:1"')])
    events = [failed_pull("i/o timeout", START + timedelta(seconds=30)), failed_pull("EOF", START)]
    found = image_problem(pod, events)
    assert found is not None
    assert (found.cause, found.permanent) == ("i/o timeout", False)
    absent = image_problem(pod, [failed_pull("lab/x:1: not found", START)])
    assert absent is not None
    assert absent.permanent


def test_the_image_that_will_not_come_is_reported_first() -> None:
    """Of two images of a pod, the one that will not come is reported."""
    containers = [waiting_container("ErrImagePull", BUSY), waiting_container("InvalidImageName", "bad", image="X")]
    found = image_problem(pod_with(container_statuses=containers), [])
    assert found is not None
    assert (found.image, found.permanent) == ("X", True)


@pytest.mark.parametrize(
    "status",
    [
        waiting_container("ContainerCreating"),
        V1ContainerStatus(name="c", image="x:1", image_id="", ready=False, restart_count=0),
    ],
)
def test_a_container_that_starts_has_no_problem(status: V1ContainerStatus) -> None:
    """A container that is starting and a pod without a status have no problem with their images."""
    assert image_problem(pod_with(container_statuses=[status]), []) is None
    assert image_problem(pod_with(), []) is None
