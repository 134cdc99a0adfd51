"""Submitting a study to a Ray cluster or to Kubernetes."""

from datetime import UTC, datetime

import pytest

import tune_jobs
from pipeline.cluster.jobs_api import JobsApi, Submission
from pipeline.cluster.kubernetes_cluster import Kubernetes
from pipeline.cluster.rayjob import Manifests, study_manifests
from pipeline.cluster.rayjob_states import STORAGE_ANNOTATION, SUBMITTER_ANNOTATION
from pipeline.cluster.submission import Submitted, apply_rayjob, exit_code, shared_storage, submit
from pipeline.cluster.submitter import submitter
from pipeline.errors import ClusterError, InvalidJob
from tests.unit.cluster.jobs_server import job
from tests.unit.cluster.kubernetes_server import RAYJOBS, rayjob


def test_a_study_is_uploaded_once_and_started_as_on_a_laptop(jobs_server, tmp_path):
    """A submission runs `tunepipe run` with the uploaded code, and a second study of the same code uploads nothing."""
    handed = submit(JobsApi(jobs_server.address), "beale", "s", "s3://b/x", ["--trials", "3"], project=tmp_path)
    made = jobs_server.jobs["s-1"]
    assert (handed.name, handed.attached) == ("s-1", False)
    assert made["entrypoint"] == "python -m pipeline.cli.app run beale --resume --storage s3://b/x --trials 3"
    assert made["runtime_env"]["working_dir"].startswith("gcs://_ray_pkg_")
    submit(JobsApi(jobs_server.address), "beale", "other", "s3://b/x", [], project=tmp_path)
    assert jobs_server.uploads == 1


def test_a_submission_attaches_to_the_active_study(jobs_server, tmp_path):
    """A submission attaches to the same active study in the same storage; an ended one gets the next number."""
    jobs_server.jobs = {"s-1": job("s-1", status="FAILED"), "s-2": job("s-2")}
    jobs_server.jobs["s-2"]["metadata"]["tunepipe_submitter"] = "ana@laptop"
    api = JobsApi(jobs_server.address)
    attached = submit(api, "beale", "s", "s3://b/x", [], project=tmp_path)
    assert (attached.name, attached.submitter) == ("s-2", "ana@laptop")
    assert submit(api, "beale", "s", "s3://b/y", [], project=tmp_path).name == "s-3"
    assert jobs_server.jobs["s-3"]["metadata"]["tunepipe_submitter"] == submitter()
    assert jobs_server.uploads == 1


def test_the_second_of_two_submissions_attaches_to_the_first(jobs_server, tmp_path):
    """If another client submits first, the server's 500 leads to attaching instead of an error."""
    jobs_server.taken = {"s-1"}
    handed = submit(JobsApi(jobs_server.address), "beale", "s", "s3://b/x", [], project=tmp_path)
    assert (handed.name, handed.attached) == ("s-1", True)


@pytest.mark.parametrize(
    ("state", "code", "wanted"),
    [("SUCCEEDED", 0, 0), ("SUCCEEDED", None, 0), ("FAILED", 3, 3), ("FAILED", 2, 2), ("STOPPED", None, 130)],
)
def test_the_exit_code_is_the_studys(state, code, wanted):
    """The exit code of a submission is that of `tunepipe run`, and a stopped submission counts as interrupted."""
    assert exit_code(Submission("s-1", "s", "/x", state, "", code, None)) == wanted


def test_a_driver_that_was_lost_has_no_exit_code():
    """A lost driver has no exit code and is reported with the cluster's message."""
    with pytest.raises(ClusterError, match=r"ended before its study did: The node died\..*resumes the study"):
        exit_code(Submission("s-1", "s", "/x", "FAILED", "The node died.", None, None))


@pytest.mark.parametrize("storage", ["s3://b/x", "/mnt/studies"])
def test_a_storage_must_mean_the_same_everywhere(storage):
    """A cluster accepts a URI or an absolute path as storage, and a relative path is refused."""
    assert shared_storage(storage) == storage
    with pytest.raises(InvalidJob, match="--storage"):
        shared_storage("studies")


def test_two_simultaneous_submissions_make_one_rayjob(api_server):
    """A submission whose RayJob was created by another submission in the meantime attaches to that RayJob."""
    other = rayjob("Running", "beale-1")
    other["metadata"]["annotations"] = {STORAGE_ANNOTATION: "/studies", SUBMITTER_ANNOTATION: "ana@laptop"}
    api_server.answers[RAYJOBS] = [{"items": []}, {"items": [other]}]
    api_server.refused[RAYJOBS] = (409, 'rayjobs.ray.io "beale-1" already exists')

    def made(number: int) -> Manifests:
        return study_manifests(tune_jobs.find("beale"), "beale", "local-cpu", "/studies", [], number=number)

    assert apply_rayjob(Kubernetes(None, "tunepipe"), "beale", "/studies", made) == Submitted(
        "beale-1", attached=True, submitter="ana@laptop", started=datetime(2026, 1, 1, tzinfo=UTC)
    )


def test_a_name_that_is_taken_by_another_rayjob_is_reported(api_server):
    """A RayJob of the same name without a study's label is reported, because it blocks the name."""
    api_server.answers[RAYJOBS] = [{"items": []}]
    api_server.refused[RAYJOBS] = (409, 'rayjobs.ray.io "beale-1" already exists')

    def made(number: int) -> Manifests:
        return study_manifests(tune_jobs.find("beale"), "beale", "local-cpu", "/studies", [], number=number)

    with pytest.raises(ClusterError, match=r"already a RayJob 'beale-1'.*another --name"):
        apply_rayjob(Kubernetes(None, "tunepipe"), "beale", "/studies", made)


def test_a_rayjob_that_is_being_deleted_is_not_attached_to(api_server):
    """A submission does not attach to a RayJob that is being deleted, nor start while its driver runs."""
    going = rayjob("Running", "beale-1")
    going["metadata"] |= {"annotations": {STORAGE_ANNOTATION: "/studies"}, "deletionTimestamp": "2026-01-01T00:00:01Z"}
    api_server.answers[RAYJOBS] = [{"items": [going]}]
    with pytest.raises(ClusterError, match=r"'beale-1' of this study is being deleted.* Submit again when it is gone"):
        apply_rayjob(Kubernetes(None, "tunepipe"), "beale", "/studies", pytest.fail)


def test_an_id_that_is_taken_by_another_submission_is_reported(jobs_server, tmp_path):
    """An id that a submission of another program has is reported, because it blocks the study's submissions."""
    jobs_server.foreign = {"s-1"}
    with pytest.raises(ClusterError, match=r"already a submission 's-1' on .*, which tunepipe did not create"):
        submit(JobsApi(jobs_server.address), "beale", "s", "s3://b/x", [], project=tmp_path)


def test_a_slash_at_its_end_makes_no_other_storage(jobs_server, tmp_path):
    """A submission attaches to the active study in its storage, with or without a slash at the end of either."""
    jobs_server.jobs = {"s-1": job("s-1")}
    storage = jobs_server.jobs["s-1"]["metadata"]["tunepipe_storage"]
    for older, named in (("", "/"), ("/", ""), ("/", "/")):
        jobs_server.jobs["s-1"]["metadata"]["tunepipe_storage"] = f"{storage}{older}"
        handed = submit(JobsApi(jobs_server.address), "beale", "s", f"{storage}{named}", [], project=tmp_path)
        assert handed.attached


@pytest.mark.parametrize(
    "storage",
    [
        "s3://KEY:secret@b/x",
        "abfs://c:secret@a.dfs.core.windows.net/x",
        "abfs://c@a/x?tenant_id=t&client_secret=secret",
        "abfs://c@a/x?sv=2024-08-04&sig=secret&sp=rwl",
    ],
)
def test_keys_are_not_given_to_a_cluster(storage):
    """A storage with keys, which everyone who reads a cluster's objects would see, is refused without printing them."""
    with pytest.raises(InvalidJob, match="must have no keys in it") as refused:
        shared_storage(storage)
    assert "secret" not in str(refused.value).replace("client_secret", "")
    assert shared_storage("abfs://c@a.dfs.core.windows.net/x") == "abfs://c@a.dfs.core.windows.net/x"
