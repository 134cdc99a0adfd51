"""RayJobs of studies: found, submitted, followed, stopped, on a server on loopback."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import tune_jobs
from pipeline.cluster import rayjobs
from pipeline.cluster.rayjob import Manifests, study_manifests
from pipeline.cluster.rayjobs import NeverStarts, RayJobs, exit_code_of, new_lines, submission_of, waiting_time
from pipeline.cluster.submissions import STORAGE_ANNOTATION, SUBMITTER_ANNOTATION
from pipeline.errors import ClusterError, JobNotFound, UsageError
from tests.unit.cluster.kubernetes_server import CORE, RAYJOBS, pod, rayjob, stamped

JOB, PODS, LOG, EVENTS = f"{RAYJOBS}/s-1", f"{CORE}/pods", f"{CORE}/pods/s-1-x/log", f"{CORE}/events"
WORKLOADS = "/apis/kueue.x-k8s.io/v1beta2/namespaces/tunepipe/workloads"
ENDED = rayjob("Complete", jobStatus="SUCCEEDED")


@pytest.fixture
def server(api_server) -> RayJobs:
    return RayJobs(None, "tunepipe")


@pytest.fixture
def follow(server):
    def printed(wait_pods: float = 60) -> str:
        return "".join(server.follow("s-1", wait_pods=wait_pods))

    return printed


def event(about: str, message: str, reason: str = "FailedToCreateWorkerPod") -> dict:
    return {"involvedObject": {"name": about, "kind": "RayCluster"}, "message": message, "reason": reason}


def of_study(state: str, name: str, study: str, storage: str = "/studies", **status: Any) -> dict:
    job = rayjob(state, name, **status)
    job["metadata"]["labels"]["tunepipe/study"] = study
    job["metadata"]["annotations"] = {STORAGE_ANNOTATION: storage}
    return job


def test_a_study_is_followed_to_its_end(api_server, server, follow):
    api_server.answers[JOB] = [*map(rayjob, ("", "Initializing", "Running", "Running")), ENDED]
    api_server.answers[PODS] = [{"items": [pod("s-1-x", "Running")]}]
    api_server.answers[LOG] = [stamped("one\n"), stamped("one\ntw"), stamped("two\n", first=1), stamped("two\nhalf", 1)]
    printed = follow()
    assert [line for line in printed.splitlines() if "[kubernetes]" not in line] == ["one", "two", "half"]
    assert printed.index("Initializing") < printed.index("Running") < printed.index("Complete")
    assert server.exit_code("s-1") == 0
    asked = [query.get("sinceSeconds") for path, query in api_server.queries if path == LOG]
    assert [seconds is not None for seconds in asked] == [False, *[True] * 4], "Only the end of a log is read again."


def test_lines_of_ray_and_the_exit_code_are_not_printed(api_server, server, follow):
    api_server.answers[JOB] = [rayjob("Running"), rayjob("Complete", jobStatus="STOPPED")]
    api_server.answers[PODS] = [{"items": [pod("s-1-x", "Succeeded")]}]
    log = "tunepipe: no job 'x'.\n[tunepipe] exit code 2\n"
    log += "2026-11-27 17:29:43,834\tWARN cli.py:85 -- Job 's-1-abc' was stopped\n"
    api_server.answers[LOG] = [stamped(log)]
    assert [line for line in follow().splitlines() if "[kubernetes]" not in line] == ["tunepipe: no job 'x'."]
    assert server.exit_code("s-1") == 2
    assert new_lines("2026-01-01T00:00:00.000000000Z one\r10 %\x0b\n", "")[0] == "one\r10 %\x0b\n"


FAILED = "Job entrypoint command failed with exit code {}"


@pytest.mark.parametrize(
    ("state", "status", "log", "code"),
    [
        ("Failed", {"jobStatus": "FAILED", "message": FAILED.format(3)}, "", 3),
        ("Complete", {"jobStatus": "STOPPED"}, "[tunepipe] exit code 130\n", 130),
        ("Complete", {"jobStatus": "SUCCEEDED"}, "[tunepipe] exit code 2\n", 0),
        ("Complete", {"jobStatus": "STOPPED"}, "", None),
        ("Complete", {}, "", None),
        ("Failed", {"message": FAILED.format(-9)}, "", None),
        ("Failed", {"message": FAILED.format(130)}, "", None),
        ("Failed", {"message": FAILED.format(0)}, "", None),
        ("Failed", {"message": "The head was lost."}, "", None),
    ],
)
def test_an_end_that_is_not_known_is_never_a_success(state, status, log, code):
    if code is not None:
        assert exit_code_of(rayjob(state, **status), log) == code
    else:
        with pytest.raises(ClusterError):
            exit_code_of(rayjob(state, **status), log)


def test_an_operator_that_cannot_read_the_end_is_named():
    with pytest.raises(ClusterError, match="NetworkPolicy 'operator'"):
        exit_code_of(rayjob("Failed", message="the ray job did not reach terminal state within 30s"), "")


def test_what_can_never_start_ends_the_following(api_server, follow):
    api_server.answers[JOB] = [rayjob("Initializing", rayClusterName="c")]
    api_server.answers[EVENTS] = [{"items": [event("c", "violates PodSecurity")]}]
    with pytest.raises(NeverStarts, match="violates PodSecurity"):
        follow()
    # While trials train on other nodes, it is only a message.
    api_server.answers[JOB] = [rayjob("Running", rayClusterName="c"), ENDED]
    api_server.answers[PODS] = [{"items": [pod("w", "Running", "worker")]}]
    api_server.answers[f"{PODS}/w/log"] = [""]
    assert "violates PodSecurity" in follow(wait_pods=0)


@pytest.mark.parametrize("what", ["a node", "a quota", "evicted workers"])
def test_pods_that_wait_are_reported_once_and_for_a_limited_time(api_server, follow, what):
    waits = rayjob("Initializing", rayClusterName="c")
    if what == "a node":
        said = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available."}
        api_server.answers[PODS] = [{"items": [pod("p", conditions=[said])]}]
    else:
        # The operator gives each pod that it tries to create another name.
        refused = [event("c", f'pods "c-w-{each}" is forbidden: exceeded quota: gpus') for each in "abc"]
        evicted = event("c-w-x", "The node was low on memory.", reason="Evicted")
        api_server.answers[EVENTS] = [{"items": [each if what == "a quota" else evicted]} for each in refused]
    reason = {"a node": "waits for a node: 0/2", "a quota": "exceeded quota: gpus"}.get(what, "Evicted: The node")
    api_server.answers[JOB] = [waits, waits, ENDED]
    assert follow().count(reason) == 1
    api_server.answers[JOB] = [waits]
    with pytest.raises(ClusterError, match=rf"could not start for 0 s: .*{reason}.*The RayJob waits") as refused:
        follow(wait_pods=0)
    assert not isinstance(refused.value, NeverStarts)


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


def test_renewed_credentials_are_read_once_while_a_study_is_followed(api_server, follow):
    api_server.answers[JOB] = [rayjob("Running"), ENDED]
    api_server.expired[JOB] = 1
    assert "s-1: Complete" in follow()
    api_server.expired[JOB] = 2
    with pytest.raises(ClusterError, match="may have expired"):
        follow()


def test_a_rayjob_that_was_deleted_is_reported(api_server, follow):
    api_server.gone.add(JOB)
    with pytest.raises(ClusterError, match="It was deleted"):
        follow()


def test_the_output_so_far_is_that_of_all_attempts_in_their_order(api_server, server):
    first, second = pod("s-1-a", "Succeeded"), pod("s-1-b", "Failed")
    first["metadata"]["creationTimestamp"] = "2026-01-01T00:05:00Z"
    second["metadata"]["creationTimestamp"] = "2026-01-01T00:01:00Z"
    api_server.answers[PODS] = [{"items": [first, second]}]
    api_server.answers[f"{PODS}/s-1-a/log"] = [stamped("resumed\n[tunepipe] exit code 3\n")]
    api_server.answers[f"{PODS}/s-1-b/log"] = [stamped("began\n")]
    assert server.output(submission_of(rayjob("Running"))) == "began\nresumed\n"


def test_the_log_is_that_of_the_submitter_and_may_have_any_bytes(api_server, server):
    """A container that waits has no log, and a service mesh may have added others."""
    job = rayjob("Complete")
    job["spec"]["submitterPodTemplate"] = {"spec": {"containers": [{"name": "submitter"}]}}
    api_server.answers[PODS] = [{"items": [pod("s-1-x", "Running", containers=["proxy", "submitter"])]}]
    api_server.answers[LOG] = [b"2026-01-01T00:00:00.000000000Z \xff two\n"]
    assert server.output(submission_of(job)) == "\ufffd two\n"
    assert api_server.queries[-1][1]["container"] == "submitter"
    api_server.unread[LOG] = (400, 'container "submitter" in pod "s-1-x" is waiting to start: PodInitializing')
    assert server.output(submission_of(job)) == ""
    api_server.unread[LOG] = (403, "no")
    with pytest.raises(ClusterError, match="did not read logs: no"):
        server.output(submission_of(job))


def test_a_study_waits_in_its_queue_without_a_limit(api_server, server, follow):
    queued = rayjob("Suspended")
    queued["spec"]["suspend"] = True
    queued["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "gpus"
    queued["metadata"]["uid"] = "u-1"
    said = {"type": "QuotaReserved", "status": "False", "message": "insufficient unused quota"}
    workload = {"metadata": {"ownerReferences": [{"uid": "u-1"}]}, "status": {"conditions": [said]}}
    api_server.answers |= {JOB: [queued, ENDED], RAYJOBS: [{"items": [queued]}], WORKLOADS: [{"items": [workload]}]}
    reason = "s-1 waits in the queue 'gpus': insufficient unused quota"
    assert reason in follow(wait_pods=0)
    assert [each.message for each in server.submissions()] == [reason]
    # Another version of Kueue, or no right to list workloads.
    api_server.unread[WORKLOADS] = (404, "404 page not found")
    assert [each.message for each in server.submissions()] == ["s-1 waits in the queue 'gpus'"]


@pytest.mark.parametrize(("status", "passes"), [(403, False), (503, True)])
def test_events_are_not_needed(api_server, server, status, passes):
    api_server.unread[EVENTS] = (status, "no")
    if passes:
        with pytest.raises(ClusterError):
            server.warnings()
    else:
        assert server.warnings() == []
    selectors = [query["fieldSelector"] for path, query in api_server.queries if path == EVENTS]
    assert selectors[0] == "type=Warning"


def test_submissions_have_their_exit_code_or_why_they_wait(api_server, server):
    waits = of_study("Initializing", "a-1", "a", rayClusterName="c")
    failed = of_study("Failed", "b-1", "b", message=FAILED.format(3))
    stopped = of_study("Complete", "d-1", "d", jobStatus="STOPPED")
    api_server.answers[RAYJOBS] = [{"items": [waits, failed, stopped]}]
    api_server.answers[EVENTS] = [{"items": [event("c", "quota: 0")]}]
    for job in (failed, stopped):
        api_server.answers[f"{RAYJOBS}/{job['metadata']['name']}"] = [job]
    first, second, third = server.submissions()
    assert (first.state, first.exit_code, second.exit_code) == ("INITIALIZING", None, 3)
    assert first.message.startswith("FailedToCreateWorkerPod: quota: 0 (RayCluster c). The RayJob waits")
    assert (third.state, third.exit_code) == ("STOPPED", None)


def test_one_is_found_by_its_name_its_study_or_its_storage(api_server, server):
    jobs = [of_study("Running", "a-1", "a"), of_study("Running", "a-2", "a", "s3://b/x/")]
    api_server.answers[RAYJOBS] = [{"items": jobs}]
    assert server.find("a-1").name == "a-1"
    for storage, name in (("/studies", "a-1"), ("/studies/", "a-1"), ("s3://b/x", "a-2")):
        assert server.find("a", storage).name == name
    with pytest.raises(UsageError, match="a-1 in /studies and a-2 in s3://b/x"):
        server.find("a")
    with pytest.raises(JobNotFound, match="Available: a-1 in /studies, a-2"):
        server.find("b")


@pytest.mark.parametrize(
    ("spec", "waits"),
    [
        ({}, "without a limit"),
        ({"activeDeadlineSeconds": 86400 * 14}, "for up to 14.0 days"),
        ({"preRunningDeadlineSeconds": 3600}, "for 60 min for its head"),
    ],
)
def test_a_rayjob_waits_until_its_deadlines(spec, waits):
    assert waiting_time({"spec": spec}).startswith(waits)


def manifests_of(number: int) -> Manifests:
    return study_manifests(tune_jobs.find("beale"), "beale", "local-cpu", "/studies", [], number=number)


def test_two_simultaneous_submissions_make_one_rayjob(api_server, server):
    other = of_study("Running", "beale-1", "beale")
    other["metadata"]["annotations"][SUBMITTER_ANNOTATION] = "ana@laptop"
    api_server.answers[RAYJOBS] = [{"items": []}, {"items": [other]}]
    api_server.conflicts[RAYJOBS] = ['rayjobs.ray.io "beale-1" already exists']
    found, attached = server.submit("beale", "/studies", manifests_of)
    assert (found.name, found.submitter, attached) == ("beale-1", "ana@laptop", True)


def test_a_rayjob_that_is_being_deleted_is_not_attached_to(api_server, server):
    going = of_study("Running", "beale-1", "beale")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:01Z"
    api_server.answers[RAYJOBS] = [{"items": [going]}]
    with pytest.raises(ClusterError, match="is being deleted"):
        server.submit("beale", "/studies", pytest.fail)


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
    monkeypatch.setattr(rayjobs, "SILENT_SECONDS", 0.0)
    api_server.gone.clear()
    api_server.answers[PODS] = [{"items": [head]}]
    with pytest.raises(ClusterError, match="still exists"):
        server.stop("s-1")
