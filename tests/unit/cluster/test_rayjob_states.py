"""Which RayJobs are active."""

from typing import Any

import pytest

from pipeline.cluster.rayjob_states import (
    STORAGE_ANNOTATION,
    SUBMITTER_ANNOTATION,
    active_job,
    has_ended,
    submitter_of,
    submitting_container,
)


def rayjob(name: str, state: str = "", storage: str = "/studies") -> dict[str, Any]:
    """A RayJob."""
    metadata = {"name": name, "annotations": {STORAGE_ANNOTATION: storage}}
    return {"metadata": metadata, "status": {"jobDeploymentStatus": state} if state else None}


def test_a_study_of_the_same_name_in_another_storage_is_different():
    """A running study of the same name in another storage is not attached to."""
    jobs = [rayjob("s-1", "Running", "s3://one")]
    assert active_job(jobs, "s3://one") == jobs[0]
    assert active_job(jobs, "s3://two") is None
    assert active_job(jobs) == jobs[0]


def test_only_a_rayjob_that_has_not_ended_is_active():
    """A study is active if its newest RayJob has not ended, also before an operator has processed it."""
    assert active_job([rayjob("s-1", "Failed"), rayjob("s-2"), rayjob("s-3", "Complete")]) == rayjob("s-2")
    assert active_job([rayjob("s-1", "ValidationFailed")]) is None
    assert has_ended(rayjob("s-1", "Complete"))


def test_a_rayjob_says_who_submitted_it():
    """The submitter of a RayJob is read from its annotation, and is None for a RayJob without one."""
    job = rayjob("s-1")
    assert submitter_of(job) is None
    job["metadata"]["annotations"][SUBMITTER_ANNOTATION] = "ana@laptop"
    assert submitter_of(job) == "ana@laptop"


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({"submitterPodTemplate": {"spec": {"containers": [{"name": "mine"}, {"name": "proxy"}]}}}, "mine"),
        ({"submitterPodTemplate": {"spec": {}}}, "ray-job-submitter"),
        ({}, "ray-job-submitter"),
    ],
)
def test_the_container_that_submits_is_the_templates_first(spec: dict, name: str) -> None:
    """The driver's output is in the first container of the RayJob's template, or in KubeRay's own."""
    assert submitting_container({"spec": spec}) == name
