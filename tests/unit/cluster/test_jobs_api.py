"""The client of Ray's Jobs API, with a server on loopback that answers as Ray's does."""

import pytest

from pipeline.cluster import jobs_api
from pipeline.cluster.jobs_api import ENDED, JobsApi
from pipeline.errors import ClusterError, JobNotFound, UsageError
from tests.ray_sources import check_text
from tests.unit.cluster.jobs_server import job


def test_a_submission_is_found_by_its_name_or_its_study(jobs_server):
    """A submission is found by name or as the newest of its study; an unknown one is refused with the known ones."""
    jobs_server.jobs = {
        "s-1": job("s-1"),
        "s-2": job("s-2", start_time=2),
        "x": {"submission_id": "x", "status": "RUNNING"},
    }
    api = JobsApi(jobs_server.address)
    assert [each.name for each in api.submissions()] == ["s-1", "s-2"]
    assert api.find("s").name == "s-2"
    assert api.find("s-1").name == api.submission("s-1").name == "s-1"
    for find in (api.find, api.submission):
        with pytest.raises(JobNotFound, match=r"no submission 'x'.*s-1, s-2.*loses its list of submissions"):
            find("x")


def test_a_study_that_runs_in_two_storages_is_found_by_its_storage(jobs_server):
    """A study that runs in two storages is refused with both, unless a storage is given; one that has ended is not."""
    jobs_server.jobs = {
        "s-1": job("s-1"),
        "s-2": job("s-2", storage="/studies", start_time=2),
        "s-3": job("s-3", storage="/old", status="FAILED", start_time=3),
    }
    api = JobsApi(jobs_server.address)
    assert [each.name for each in api.matches("s")] == ["s-1", "s-2"]
    with pytest.raises(UsageError, match=r"several submissions: s-1 in s3://b/x and s-2 in /studies\. .* --storage"):
        api.find("s")
    for storage, name in (("s3://b/x/", "s-1"), ("/studies/", "s-2"), ("/old", "s-3")):
        assert api.find("s", storage).name == name
    with pytest.raises(JobNotFound, match=r"has its study in /tmp; found it in /old, /studies, s3://b/x"):
        api.find("s", "/tmp")


def test_a_name_of_a_submission_and_of_another_study_is_refused(jobs_server):
    """A name that a submission and another study have is refused, and a submission is found by its own name."""
    jobs_server.jobs = {"s-1": job("s-1"), "s-1-1": job("s-1-1", study="s-1")}
    api = JobsApi(jobs_server.address)
    with pytest.raises(UsageError, match=r"'s-1' is both a submission of the study 's' and .* 's-1-1' for the second"):
        api.find("s-1")
    assert api.submission("s-1").study == "s"


def test_a_submission_that_is_gone_while_it_is_followed_is_reported(jobs_server):
    """If the cluster restarts while a submission is followed, the error reports that the submission is gone."""
    with pytest.raises(ClusterError, match=r"'s-1' is gone.*`tunepipe submit`"):
        list(JobsApi(jobs_server.address).follow("s-1"))


def test_a_cluster_behind_a_busy_gateway_is_asked_again(jobs_server, monkeypatch):
    """A submission is followed although a gateway in front of the cluster answers for it for a moment."""
    monkeypatch.setattr(jobs_api, "POLL_SECONDS", 0.0)
    jobs_server.jobs = {"s-1": job("s-1", status="SUCCEEDED")}
    jobs_server.gateway = [502, 503, 504]
    assert list(JobsApi(jobs_server.address).follow("s-1")) == ["all of it\n"]
    assert jobs_server.gateway == []


def test_the_log_of_an_ended_submission_is_complete(jobs_server):
    """The log of a submission that has ended is printed completely and once."""
    jobs_server.jobs = {"s-1": job("s-1", status="SUCCEEDED")}
    assert list(JobsApi(jobs_server.address).follow("s-1")) == ["all of it\n"]


@pytest.mark.parametrize(
    ("text", "file"),
    [
        *(
            (route, "job/job_head.py")
            for route in (
                '@routes.get("/api/jobs/")',
                '@routes.post("/api/jobs/")',
                '@routes.get("/api/jobs/{job_or_submission_id}")',
                '@routes.post("/api/jobs/{job_or_submission_id}/stop")',
                '@routes.get("/api/jobs/{job_or_submission_id}/logs")',
                '"/api/jobs/{job_or_submission_id}/logs/tail"',
                '@routes.get("/api/packages/{protocol}/{package_name}")',
                '@routes.put("/api/packages/{protocol}/{package_name}")',
            )
        ),
        ("already exists", "job/job_manager.py"),
        *((f'{state} = "{state}"', "job/common.py") for state in ("PENDING", "RUNNING", *ENDED)),
        *(
            (f"    {field}: ", "job/pydantic_models.py")
            for field in ("submission_id", "status", "message", "metadata", "start_time", "driver_exit_code")
        ),
    ],
)
def test_the_jobs_api_is_as_ray_serves_it(text, file):
    """Ray's dashboard serves each path, field, state and message of the Jobs API that tunepipe relies on."""
    check_text(
        text,
        f"dashboard/modules/{file}",
        "pipeline/cluster/jobs_api.py relies on it",
        "`tunepipe submit` and the commands about submissions fail",
    )
