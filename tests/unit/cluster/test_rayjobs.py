"""RayJobs of studies: found, submitted, followed, stopped, on a server on loopback."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import tune_jobs
from pipeline.cluster import rayjobs
from pipeline.cluster.rayjob import Manifests, study_manifests
from pipeline.cluster.rayjobs import RayJobs, exit_code_of, submission_of
from pipeline.cluster.submissions import STORAGE_ANNOTATION, NeverStarts
from pipeline.errors import ClusterError, JobNotFound, UsageError
from tests.kubernetes_server import CORE, RAYJOBS, pod, rayjob

JOB, PODS, LOG, EVENTS = f"{RAYJOBS}/s-1", f"{CORE}/pods", f"{CORE}/pods/s-1-x/log", f"{CORE}/events"
WORKLOADS = "/apis/kueue.x-k8s.io/v1beta2/namespaces/tunepipe/workloads"
ENDED = rayjob("Complete", jobStatus="SUCCEEDED")


@pytest.fixture
def server(api_server) -> RayJobs:
    return RayJobs(None, "tunepipe")


@pytest.fixture
def follow(server):
    return lambda: "".join(server.follow("s-1"))


def event(about: str, message: str, reason: str = "FailedToCreateWorkerPod") -> dict:
    return {"involvedObject": {"name": about, "kind": "RayCluster"}, "message": message, "reason": reason}


def of_study(state: str, name: str, study: str, storage: str = "/studies", **status: Any) -> dict:
    job = rayjob(state, name, **status)
    job["metadata"]["labels"]["tunepipe/study"] = study
    job["metadata"]["annotations"] = {STORAGE_ANNOTATION: storage}
    return job


def test_a_study_is_followed_to_its_end(api_server, server, follow):
    ray = "2026-11-27 17:29:43,834\tWARN cli.py:85 -- Job 's-1-abc' was stopped\n"
    api_server.answers[JOB] = [*map(rayjob, ("", "Initializing", "Running", "Running")), ENDED]
    api_server.answers[PODS] = [{"items": [pod("s-1-x", "Running")]}]
    logs = ("one\n", "one\ntw", f"one\ntwo\n{ray}", f"one\ntwo\n{ray}half", f"one\ntwo\n{ray}half")
    api_server.answers[LOG] = list(logs)
    printed = follow()
    assert [line for line in printed.splitlines() if "[kubernetes]" not in line] == ["one", "two", "half"]
    assert printed.index("Initializing") < printed.index("Running") < printed.index("Complete")
    assert server.exit_code("s-1") == 0


@pytest.mark.parametrize(
    ("state", "status", "log", "code"),
    [
        ("Failed", {"jobStatus": "FAILED"}, "a line\n[tunepipe] exit code 3\n", 3),
        ("Complete", {"jobStatus": "STOPPED"}, "[tunepipe] exit code 130\n", 130),
        ("Complete", {"jobStatus": "SUCCEEDED"}, "[tunepipe] exit code 2\n", 0),
        ("Complete", {"jobStatus": "STOPPED"}, "", None),
        ("Complete", {}, "", None),
        ("Failed", {"jobStatus": "SUCCEEDED", "message": "The head was lost."}, "", None),
    ],
)
def test_an_end_that_is_not_known_is_never_a_success(state, status, log, code):
    if code is not None:
        assert exit_code_of(rayjob(state, **status), log) == code
    else:
        with pytest.raises(ClusterError):
            exit_code_of(rayjob(state, **status), log)


def test_what_can_never_start_ends_the_following(api_server, follow):
    api_server.answers[JOB] = [rayjob("Initializing", rayClusterName="c")]
    api_server.answers[EVENTS] = [{"items": [event("c", "violates PodSecurity")]}]
    with pytest.raises(NeverStarts, match="violates PodSecurity"):
        follow()
    # While trials train on other nodes, it is only a message.
    api_server.answers[JOB] = [rayjob("Running", rayClusterName="c"), ENDED]
    api_server.answers[PODS] = [{"items": [pod("w", "Running", "worker")]}]
    api_server.answers[f"{PODS}/w/log"] = [""]
    assert "violates PodSecurity" in follow()


def test_a_reason_is_printed_once(api_server, follow):
    # The operator gives each pod that it tries to create another name.
    refused = [event("c", f'pods "c-w-{each}" is forbidden: exceeded quota: gpus') for each in "abc"]
    api_server.answers[EVENTS] = [{"items": [each]} for each in refused]
    waits = rayjob("Initializing", rayClusterName="c")
    api_server.answers[JOB] = [waits, waits, ENDED]
    assert follow().count("exceeded quota: gpus") == 1


def test_an_operator_that_does_not_react_is_reported(api_server, follow, monkeypatch):
    monkeypatch.setattr(rayjobs, "STARTING_SECONDS", 0.0)
    api_server.answers[JOB] = [rayjob()]
    with pytest.raises(ClusterError, match="the KubeRay operator does not run"):
        follow()


def test_a_server_that_is_busy_for_a_moment_is_asked_again(api_server, follow, monkeypatch):
    api_server.answers[JOB] = [rayjob("Running"), ENDED]
    api_server.errors[JOB] = 2
    assert "Complete" in follow()
    monkeypatch.setattr(rayjobs, "SILENT_SECONDS", 0.0)
    api_server.errors[JOB] = 99
    with pytest.raises(ClusterError, match="did not read the RayJob s-1"):
        follow()


def test_a_rayjob_that_was_deleted_is_reported(api_server, follow):
    api_server.gone.add(JOB)
    with pytest.raises(ClusterError, match="not found"):
        follow()


def manifests_of(number: int) -> Manifests:
    return study_manifests(tune_jobs.find("beale"), "beale", "local-cpu", "/studies", [], number=number)


def test_a_submission_deletes_only_studies_rayjobs_that_ended_long_ago(api_server, server):
    def ended(name: str, **ago: float) -> dict:
        return of_study("Complete", name, "x", endTime=(datetime.now(UTC) - timedelta(**ago)).isoformat())

    refused, running = of_study("ValidationFailed", "z-1", "z"), of_study("Running", "y-1", "y", "/y")
    jobs = [ended("x-1", days=8), ended("x-2", days=6), running, refused]
    api_server.answers[RAYJOBS] = [{"items": jobs}]
    assert not server.submit("beale", "/studies", manifests_of)[1]
    assert [path.rpartition("/")[2] for path in api_server.deleted] == ["x-1", "z-1"]
    listings = [query for path, query in api_server.queries if path == RAYJOBS]
    assert all(query["labelSelector"].startswith("tunepipe/study") for query in listings)


@pytest.fixture
def made(tmp_path) -> Manifests:
    """The manifests of a study with a job file."""
    (tmp_path / "mine.py").write_text("JOB = 1\n")
    return study_manifests(tune_jobs.find("beale"), f"{tmp_path}/mine.py", "local-cpu", "/studies", [])


def test_a_job_file_belongs_to_its_rayjob_which_is_validated(api_server, server, made):
    assert server.create(made)
    (first, _), (_, config_map) = api_server.posted
    assert "fieldValidation=Strict" in first
    owner = {"apiVersion": "ray.io/v1", "kind": "RayJob", "name": "beale-1", "uid": "u-1"}
    assert config_map["metadata"]["ownerReferences"] == [owner]


def test_a_rayjob_whose_file_is_refused_is_deleted(api_server, server, made):
    api_server.refused[f"{CORE}/configmaps"] = (422, "data: Invalid value")
    with pytest.raises(ClusterError, match="data: Invalid value"):
        server.create(made)
    assert api_server.deleted == [f"{RAYJOBS}/beale-1"]


def test_a_stop_returns_when_the_rayjob_and_the_head_are_gone(api_server, server, monkeypatch):
    job = rayjob("Running", "s-1", rayClusterName="s-1-x")
    api_server.answers |= {JOB: [job], RAYJOBS: [{"items": [job]}, {"items": []}]}
    head, worker = pod("s-1-x-head", "Running", "head"), pod("s-1-x-worker", "Running", "worker")
    # Each request lists the pods that submit, and then those of the cluster.
    api_server.answers[PODS] = [{"items": each} for each in ([], [head, worker], [], [head, worker], [], [worker])]
    server.stop("s-1")
    assert api_server.deleted == [JOB]
    assert api_server.answers[PODS] == [{"items": [worker]}]
    monkeypatch.setattr(rayjobs, "END_SECONDS", 0.0)
    api_server.gone.clear()
    api_server.answers[PODS] = [{"items": [head]}]
    with pytest.raises(ClusterError, match="still exists"):
        server.stop("s-1")


def test_the_output_so_far_is_that_of_all_attempts_of_the_submitter(api_server, server):
    """A service mesh may have added containers, and a log may have any bytes."""
    job = rayjob("Complete")
    job["spec"]["submitterPodTemplate"] = {"spec": {"containers": [{"name": "submitter"}]}}
    first = pod("s-1-a", "Succeeded", containers=["proxy", "submitter"])
    first["metadata"]["creationTimestamp"] = "2026-01-01T00:05:00Z"
    second = pod("s-1-b", "Failed")
    second["metadata"]["creationTimestamp"] = "2026-01-01T00:01:00Z"
    api_server.answers[PODS] = [{"items": [first, second]}]
    api_server.answers[f"{PODS}/s-1-a/log"] = [b"resumed\xff\n[tunepipe] exit code 3\n"]
    api_server.answers[f"{PODS}/s-1-b/log"] = ["began\n"]
    assert server.output(submission_of(job)) == "began\nresumed\ufffd\n"
    assert [query.get("container") for path, query in api_server.queries if "/log" in path] == [None, "submitter"]
    api_server.unread[f"{PODS}/s-1-a/log"] = (400, 'container "submitter" is waiting to start: PodInitializing')
    assert server.output(submission_of(job)) == "began\n"
    api_server.unread[f"{PODS}/s-1-a/log"] = (403, "no")
    with pytest.raises(ClusterError, match="did not read logs: no"):
        server.output(submission_of(job))


def test_a_study_in_a_queue_says_what_it_waits_for(api_server, server, follow):
    queued = rayjob("Suspended")
    queued["spec"]["suspend"] = True
    queued["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "gpus"
    queued["metadata"]["uid"] = "u-1"
    said = {"type": "QuotaReserved", "status": "False", "message": "insufficient unused quota"}
    workload = {"metadata": {"ownerReferences": [{"uid": "u-1"}]}, "status": {"conditions": [said]}}
    api_server.answers |= {JOB: [queued, ENDED], RAYJOBS: [{"items": [queued]}], WORKLOADS: [{"items": [workload]}]}
    reason = "s-1 waits in the queue 'gpus': insufficient unused quota"
    assert reason in follow()
    assert [each.message for each in server.submissions()] == [reason]
    # Another version of Kueue, or no right to list workloads.
    api_server.unread[WORKLOADS] = (404, "404 page not found")
    assert [each.message for each in server.submissions()] == ["s-1 waits in the queue 'gpus'"]


def test_submissions_have_their_exit_code_or_why_they_wait(api_server, server):
    waits = of_study("Initializing", "a-1", "a", rayClusterName="c")
    stopped = of_study("Complete", "d-1", "d", jobStatus="STOPPED")
    api_server.answers |= {
        RAYJOBS: [{"items": [waits, stopped]}], f"{RAYJOBS}/d-1": [stopped],
        EVENTS: [{"items": [event("c", "quota: 0")]}],
    }  # fmt: skip
    first, second = server.submissions()
    assert (first.state, first.exit_code) == ("INITIALIZING", None)
    assert first.message == "FailedToCreateWorkerPod: quota: 0 (RayCluster c)"
    assert (second.state, second.exit_code) == ("STOPPED", None)
    # Events explain only.
    api_server.unread[EVENTS] = (403, "no")
    assert server.submissions()[0].message == ""
    api_server.unread[EVENTS] = (503, "no")
    with pytest.raises(ClusterError):
        server.submissions()


def test_one_is_found_by_its_name_or_its_study(api_server, server):
    jobs = [of_study("Running", "a-1", "a"), of_study("Running", "a-2", "a", "s3://b/x/")]
    api_server.answers[RAYJOBS] = [{"items": jobs}]
    assert server.find("a-1").name == "a-1"
    with pytest.raises(UsageError, match="a-1 in /studies and a-2 in s3://b/x"):
        server.find("a")
    with pytest.raises(JobNotFound, match="Available: a-1, a-2"):
        server.find("b")


def test_two_simultaneous_submissions_make_one_rayjob(api_server, server):
    other = of_study("Running", "beale-1", "beale")
    api_server.answers[RAYJOBS] = [{"items": []}, {"items": [other]}]
    api_server.conflicts[RAYJOBS] = ['rayjobs.ray.io "beale-1" already exists']
    found, attached = server.submit("beale", "/studies", manifests_of)
    assert (found.name, attached) == ("beale-1", True)
    other["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:01Z"
    with pytest.raises(ClusterError, match="is being deleted"):
        server.submit("beale", "/studies", pytest.fail)
