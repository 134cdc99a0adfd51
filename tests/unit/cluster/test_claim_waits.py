"""Pods that wait for a volume claim."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kubernetes.client import V1PersistentVolumeClaimVolumeSource, V1PodCondition, V1PodSpec, V1Volume

from pipeline.cluster.claim_waits import claim_wait
from pipeline.cluster.pod_diagnostics import diagnose
from pipeline.cluster.rayjob_states import STORAGE_ANNOTATION
from tests.unit.cluster.kubernetes_objects import event_about, pod_with
from tests.unit.cluster.kubernetes_server import rayjob

NOW = datetime.now(UTC)
UNBOUND = "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."


def job_with(storage: str) -> dict[str, Any]:
    """A RayJob whose study has this storage."""
    job = rayjob("Initializing")
    job["metadata"]["annotations"] = {STORAGE_ANNOTATION: storage}
    return job


def pod_of(message: str | None, *claims: str, node: str | None = None) -> Any:
    """A pod that mounts claims and waits with a scheduler's message."""
    said = V1PodCondition(type="PodScheduled", status="False", message=message)
    pod = pod_with(created=NOW, phase="Pending", conditions=[said] if message else None)
    volumes = [
        V1Volume(name=name, persistent_volume_claim=V1PersistentVolumeClaimVolumeSource(claim_name=name))
        for name in claims
    ]
    pod.spec = V1PodSpec(containers=[], volumes=[V1Volume(name="tmp"), *volumes], node_name=node)
    return pod


def failed(about: str = "studies", *, minutes: float = 1) -> Any:
    """The event of a class that could not make a volume for a claim."""
    event = event_about(about, "no access mode\n ReadWriteMany.", NOW + timedelta(minutes=minutes), reason="Failed")
    event.involved_object.kind = "PersistentVolumeClaim"
    return event


@pytest.mark.parametrize(
    "message",
    [
        UNBOUND,
        '0/2 nodes are available: persistentvolumeclaim "studies" not found.',
        "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind.",
        'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded',
    ],
)
def test_a_study_in_an_object_store_needs_no_claim(message: str) -> None:
    """A pod of a study in an object store that waits for a claim is reported with it and the components to use."""
    job = job_with("s3://bucket/lab")
    reason = claim_wait(job, pod_of(message, "studies"), [failed(minutes=-5)])
    assert reason is not None
    assert reason.startswith(f"pod p waits for the volume claim 'studies': {message.rstrip('.')}; ")
    assert "no access mode ReadWriteMany (Failed). The study is in an object store" in reason
    assert "the components no-volume/pods and no-volume/claim" in reason
    assert diagnose(job, [pod_of(message, "studies")], [failed(minutes=-5)]).waits == (reason,)


def test_a_study_on_a_volume_needs_its_claim() -> None:
    """A pod of a study on a volume that waits for claims is reported with the command that shows their state."""
    reason = claim_wait(job_with("/studies"), pod_of(UNBOUND, "studies", "data"), [])
    assert reason is not None
    assert "the volume claims 'studies' and 'data'" in reason
    assert "`kubectl describe persistentvolumeclaim -n tunepipe studies data`" in reason
    assert "no-volume" not in reason
    missing = claim_wait(job_with("/studies"), pod_of('persistentvolumeclaim "data" not found', "studies", "data"), [])
    assert "the volume claim 'data':" in (missing or "")
    unmade = claim_wait(job_with("/studies"), pod_of(UNBOUND, "studies", "data"), [failed("data")])
    assert "the volume claim 'data':" in (unmade or "")


def test_a_claim_is_reported_while_the_scheduler_says_nothing() -> None:
    """A volume that cannot be made is reported although the pod has no condition, but not from before the pod."""
    pod, job = pod_of(None, "studies"), job_with("/studies")
    assert "waits for the volume claim 'studies': no access mode" in (claim_wait(job, pod, [failed()]) or "")
    assert claim_wait(job, pod, [failed(minutes=-5)]) is None
    assert claim_wait(job, pod, [failed("other")]) is None


def test_a_pod_that_waits_for_something_else_waits_for_no_claim() -> None:
    """A pod without claims, one on a node, and one that waits for room on a node wait for no claim."""
    job = job_with("s3://bucket/lab")
    assert claim_wait(job, pod_of(UNBOUND), [failed()]) is None
    assert claim_wait(job, pod_of(None, "studies", node="a"), [failed()]) is None
    assert claim_wait(job, pod_of("0/2 nodes are available: 2 Insufficient cpu.", "studies"), [failed()]) is None
    assert claim_wait(job, pod_with(phase="Pending"), [failed()]) is None
