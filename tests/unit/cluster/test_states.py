"""Which RayJobs are at work."""

from typing import Any

from pipeline.cluster.states import STORAGE_ANNOTATION, at_work, has_ended


def rayjob(name: str, state: str = "", storage: str = "/studies") -> dict[str, Any]:
    """A RayJob."""
    metadata = {"name": name, "annotations": {STORAGE_ANNOTATION: storage}}
    return {"metadata": metadata, "status": {"jobDeploymentStatus": state} if state else None}


def test_a_study_of_the_same_name_elsewhere_is_another_one():
    """What is at work in one storage is not attached to for another."""
    jobs = [rayjob("s-1", "Running", "s3://one")]
    assert at_work(jobs, "s3://one") == "s-1"
    assert at_work(jobs, "s3://two") is None
    assert at_work(jobs) == "s-1"


def test_only_what_has_not_ended_is_at_work():
    """The newest of a study's RayJobs; one that nobody has taken up yet is."""
    assert at_work([rayjob("s-1", "Failed"), rayjob("s-2"), rayjob("s-3", "Complete")]) == "s-2"
    assert at_work([rayjob("s-1", "ValidationFailed")]) is None
    assert has_ended(rayjob("s-1", "Complete"))
