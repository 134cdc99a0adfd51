"""RayJobs of studies: followed, submitted, stopped and found on a server on loopback."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import tune_jobs
from pipeline.cluster import rayjobs
from pipeline.cluster.rayjob import Manifests, study_manifests
from pipeline.cluster.rayjobs import (
    LogPosition,
    NeverStarts,
    RayJobs,
    exit_code_of,
    new_lines,
    submission_of,
    waiting_time,
)
from pipeline.cluster.submissions import STORAGE_ANNOTATION, SUBMITTER_ANNOTATION
from pipeline.errors import ClusterError, EndUnknown, JobNotFound, UsageError
from tests.unit.cluster.kubernetes_server import CORE, RAYJOBS, pod, rayjob, stamped

JOB, PODS, LOG, EVENTS = f"{RAYJOBS}/s-1", f"{CORE}/pods", f"{CORE}/pods/s-1-x/log", f"{CORE}/events"
WORKLOADS = "/apis/kueue.x-k8s.io/v1beta2/namespaces/tunepipe/workloads"
SUBMITS = {"items": [pod("s-1-x", "Running")]}


@pytest.fixture
def server(api_server) -> RayJobs:
    return RayJobs(None, "tunepipe")


@pytest.fixture
def follow(server):
    def printed(wait_pods: float = 60) -> str:
        return "".join(server.follow("s-1", wait_pods=wait_pods))

    return printed


def event(about: str, message: str, **fields: Any) -> dict:
    return {"involvedObject": {"name": about}, "message": message, **fields}


def unscheduled(name: str = "p", kind: str = "") -> dict:
    said = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available."}
    return pod(name, kind=kind, conditions=[said])


def test_a_study_is_followed_to_its_end(api_server, server, follow):
    api_server.answers[JOB] = [*map(rayjob, ("", "Initializing", "Running")), rayjob("Complete", jobStatus="SUCCEEDED")]
    api_server.answers[PODS] = [{"items": []}, SUBMITS]
    api_server.answers[LOG] = [stamped("one\n"), stamped("one\ntwo\n")]
    printed = follow()
    assert printed.count("one\n") == printed.count("two\n") == 1
    assert printed.index("Initializing") < printed.index("Running") < printed.index("Complete")
    assert server.exit_code("s-1") == 0


def test_the_exit_code_of_a_study_that_must_not_be_retried_is_in_its_log(api_server, server, follow):
    api_server.answers[JOB] = [rayjob("Running"), rayjob("Complete", jobStatus="STOPPED")]
    api_server.answers[PODS] = [{"items": [pod("s-1-x", "Succeeded")]}]
    log = "tunepipe: no job 'x'.\n[tunepipe] exit code 2\n"
    log += "2026-11-27 17:29:43,834\tWARN cli.py:85 -- Job 's-1-abc' was stopped\n"
    api_server.answers[LOG] = [log]
    printed = follow()
    assert "no job 'x'." in printed
    assert "exit code" not in printed
    assert "was stopped" not in printed
    assert server.exit_code("s-1") == 2


FAILED = "Job entrypoint command failed with exit code {}"


@pytest.mark.parametrize(
    ("state", "status", "log", "code"),
    [
        ("Failed", {"jobStatus": "FAILED", "message": FAILED.format(3)}, "", 3),
        ("Complete", {"jobStatus": "STOPPED"}, "[tunepipe] exit code 130\n", 130),
        ("Complete", {"jobStatus": "SUCCEEDED"}, "[tunepipe] exit code 2\n", 0),
        ("Complete", {"jobStatus": "STOPPED"}, "", EndUnknown),
        ("Complete", {}, "", EndUnknown),
        ("Failed", {"message": FAILED.format(-9)}, "", ClusterError),
        ("Failed", {"message": FAILED.format(130)}, "", ClusterError),
        ("Failed", {"message": FAILED.format(0)}, "", ClusterError),
        ("Failed", {"message": "The head was lost."}, "", ClusterError),
    ],
)
def test_an_end_that_is_not_known_is_never_a_success(state, status, log, code):
    if isinstance(code, int):
        assert exit_code_of(rayjob(state, **status), log) == code
    else:
        with pytest.raises(code):
            exit_code_of(rayjob(state, **status), log)


def test_a_study_without_requested_pods_is_reported(api_server, follow, monkeypatch):
    monkeypatch.setattr(rayjobs, "STARTING_SECONDS", 0.0)
    jobs = [rayjob("Running"), rayjob("Running"), rayjob("Complete")]
    api_server.answers[JOB] = list(jobs)
    api_server.answers[PODS] = [{"items": [pod("s-1-head", "Running", "head")]}]
    api_server.answers[f"{PODS}/s-1-head/log"] = [""]
    assert "`kubectl exec -n tunepipe s-1-head -c ray-head -- ray status`" in follow()
    api_server.answers[JOB] = list(jobs)
    api_server.answers[PODS] = [{"items": [pod("w", "Running", "worker")]}] * 2 + [{"items": []}]
    api_server.answers[f"{PODS}/w/log"] = [""]
    assert "without a worker" not in follow()


def test_what_can_never_start_ends_the_following(api_server, follow):
    api_server.answers[JOB] = [rayjob("Initializing", rayClusterName="c")]
    api_server.answers[EVENTS] = [{"items": [event("c", "violates PodSecurity")]}]
    with pytest.raises(NeverStarts, match="violates PodSecurity"):
        follow()
    # While trials train on other nodes, it is only a message.
    api_server.answers[JOB] = [rayjob("Running", rayClusterName="c"), rayjob("Complete")]
    api_server.answers[PODS] = [{"items": [pod("w", "Running", "worker")]}]
    api_server.answers[f"{PODS}/w/log"] = [""]
    assert "violates PodSecurity" in follow()


@pytest.mark.parametrize("what", ["a node", "a quota", "evicted workers"])
def test_pods_that_wait_are_reported_once_and_for_a_limited_time(api_server, follow, what):
    waits = rayjob("Initializing", rayClusterName="c")
    if what == "a node":
        api_server.answers[PODS] = [{"items": [unscheduled()]}]
    else:
        # The operator gives each pod that it tries to create another name.
        texts = [f'pods "c-w-{each}" is forbidden: exceeded quota: gpus' for each in "abc"]
        refused = [event("c", each, reason="FailedToCreateWorkerPod") for each in texts]
        evicted = event("c-w-x", "The node was low on memory.", reason="Evicted")
        api_server.answers[EVENTS] = [{"items": [each if what == "a quota" else evicted]} for each in refused]
    api_server.answers[JOB] = [waits, waits, rayjob("Complete")]
    reason = {"a node": "waits for a node: 0/2", "a quota": "exceeded quota: gpus"}.get(what, "was evicted")
    assert follow().count(reason) == 1
    api_server.answers[JOB] = [waits]
    with pytest.raises(ClusterError, match=rf"{reason}.*The RayJob waits") as refused:
        follow(wait_pods=0)
    assert not isinstance(refused.value, NeverStarts)


def test_a_head_that_is_absent_twice_is_lost(api_server, follow):
    runs = rayjob("Running", rayClusterName="s-1-c")
    head = {"items": [pod("h", "Running", "head")]}
    api_server.answers[f"{PODS}/h/log"] = [""]
    api_server.answers[JOB] = [runs, runs, rayjob("Complete")]
    api_server.answers[PODS] = [head, head, head, {"items": []}]
    assert "has lost its head" not in follow()
    api_server.answers[JOB] = [runs, runs, rayjob("Retrying"), rayjob("Complete")]
    api_server.answers[PODS] = [{"items": []}]
    assert follow().count("[kubernetes] s-1 has lost its head. ") == 1


def test_an_operator_that_does_not_react_is_reported(api_server, follow, monkeypatch):
    monkeypatch.setattr("pipeline.cluster.why.STARTING_SECONDS", 0.0)
    api_server.answers[JOB] = [rayjob()]
    with pytest.raises(ClusterError, match="the KubeRay operator does not run"):
        follow()


def test_a_server_that_is_busy_for_a_moment_is_asked_again(api_server, follow, monkeypatch):
    api_server.answers[JOB] = [rayjob("Running"), rayjob("Complete")]
    api_server.errors[JOB] = 2
    assert "Complete" in follow()
    monkeypatch.setattr(rayjobs, "SILENT_SECONDS", 0.0)
    api_server.errors[JOB] = 99
    with pytest.raises(ClusterError, match="did not read the RayJob s-1"):
        follow()


def test_renewed_credentials_are_read_once_while_a_study_is_followed(api_server, follow):
    api_server.answers[JOB] = [rayjob("Running"), rayjob("Complete")]
    api_server.expired[JOB] = 1
    assert "s-1: Complete" in follow()
    api_server.expired[JOB] = 2
    with pytest.raises(ClusterError, match="may have expired"):
        follow()


def test_a_rayjob_that_was_deleted_is_reported(api_server, follow):
    api_server.gone.add(JOB)
    with pytest.raises(ClusterError, match="It was deleted"):
        follow()


def test_only_the_end_of_a_log_is_read_again(api_server, follow):
    api_server.answers[JOB] = [*[rayjob("Running")] * 3, rayjob("Complete")]
    api_server.answers[PODS] = [{"items": [pod("s-1-x", "Failed"), pod("s-1-y", "Running")]}]
    api_server.answers[LOG] = [stamped("lost\n")]
    logs = [stamped("one\ntwo\n"), stamped("two\nthree\n", first=1), stamped("three\n", first=2)]
    api_server.answers[f"{PODS}/s-1-y/log"] = logs
    assert [line for line in follow().splitlines() if "[kubernetes]" not in line] == ["lost", "one", "two", "three"]
    asked = [(path, query.get("sinceSeconds")) for path, query in api_server.queries if path.endswith("/log")]
    assert [seconds is not None for path, seconds in asked if path.endswith("s-1-y/log")] == [False, True, True, True]
    assert [seconds for path, seconds in asked if path.endswith("s-1-x/log")] == [None]


def test_the_output_so_far_is_that_of_all_attempts_in_their_order(api_server, server):
    first, second = pod("s-1-a", "Succeeded"), pod("s-1-b", "Failed")
    first["metadata"]["creationTimestamp"] = "2026-01-01T00:05:00Z"
    second["metadata"]["creationTimestamp"] = "2026-01-01T00:01:00Z"
    api_server.answers[PODS] = [{"items": [first, second]}]
    api_server.answers[f"{PODS}/s-1-a/log"] = [stamped("resumed\n[tunepipe] exit code 3\n")]
    api_server.answers[f"{PODS}/s-1-b/log"] = [stamped("began\n")]
    assert server.output(submission_of(rayjob("Running"))) == "began\nresumed\n"


def test_a_study_in_a_service_mesh_is_followed_to_its_end(api_server, follow):
    jobs = [rayjob("Running"), rayjob("Running"), rayjob("Complete", jobStatus="SUCCEEDED")]
    for each in jobs:
        each["spec"]["submitterPodTemplate"] = {"spec": {"containers": [{"name": "submitter"}]}}
    ended = {"name": "submitter", "state": {"terminated": {"exitCode": 0}}}
    runs = pod("s-1-x", "Running", containers=["proxy", "submitter"])
    over = pod("s-1-x", "Running", containers=["proxy", "submitter"], containerStatuses=[ended])
    api_server.answers[JOB] = jobs
    api_server.answers[PODS] = [{"items": [runs]}] * 4 + [{"items": [over]}]
    api_server.answers[LOG] = [stamped("one\n"), stamped("one\ntwo\nhalf a li")]
    assert [line for line in follow().splitlines() if "[kubernetes]" not in line] == ["one", "two", "half a li"]
    assert {query["container"] for path, query in api_server.queries if path == LOG} == {"submitter"}


def test_each_line_of_a_log_is_printed_once_and_whole():
    log = LogPosition()
    assert new_lines(stamped("one\ntw"), log, ended=False) == "one\n"
    assert new_lines(stamped("one\ntwo\nthree"), log, ended=False) == "two\n"
    assert new_lines(stamped("one\ntwo\nthree"), log, ended=True) == "three"
    assert new_lines(stamped("one\ntwo\nthree"), log, ended=True) == ""


def test_equal_lines_and_rotated_logs_are_told_apart_by_times():
    log = LogPosition()
    assert new_lines(stamped("\n\n"), log, ended=False) == "\n\n"
    assert new_lines(stamped("\n\n", first=1), log, ended=False) == "\n"
    assert new_lines(stamped("three\n", first=5), log, ended=False) == "three\n"
    printed_by_the_study = "2026-01-01T00:00:00Z epoch 1\n"
    assert new_lines(stamped(printed_by_the_study, first=9), log, ended=True) == printed_by_the_study


def of_study(state: str, name: str, study: str, storage: str = "/studies", **status: Any) -> dict[str, Any]:
    job = rayjob(state, name, **status)
    job["metadata"] |= {"labels": {"tunepipe/study": study}, "annotations": {STORAGE_ANNOTATION: storage}}
    return job


def test_submissions_have_their_exit_codes_and_why_they_wait(api_server, server):
    failed = of_study("Failed", "a-1", "a", message=FAILED.format(3))
    stopped = of_study("Complete", "a-2", "a", jobStatus="STOPPED")
    waits = of_study("Initializing", "b-1", "b", rayClusterName="b-1-c")
    api_server.answers[RAYJOBS] = [{"items": [failed, stopped, waits, of_study("", "c-1", "c")]}]
    api_server.answers |= {f"{RAYJOBS}/a-1": [failed], f"{RAYJOBS}/a-2": [stopped]}
    api_server.answers[PODS] = [{"items": []}, {"items": [unscheduled("b-1-x")]}]
    found = server.submissions()
    assert [(each.name, each.state, each.exit_code) for each in found] == [
        ("a-1", "FAILED", 3), ("a-2", "STOPPED", None), ("b-1", "INITIALIZING", None), ("c-1", "PENDING", None),
    ]  # fmt: skip
    assert "exit code is not known" in found[1].message
    stop = "`tunepipe stop b-1 --kubernetes --namespace tunepipe` deletes it."
    waiting = "pod b-1-x waits for a node: 0/2 nodes are available. The RayJob waits without a limit"
    assert found[2].message == f"{waiting}; {stop}"
    assert "the KubeRay operator does not run" in found[3].message
    selectors = [query["fieldSelector"] for path, query in api_server.queries if path == EVENTS]
    assert selectors == ["type=Warning", "reason=DeletedHeadPod", "reason=DeletedWorkerPod"]


def test_one_is_found_by_its_name_its_study_or_its_storage(api_server, server):
    jobs = [of_study("Running", "a-1", "a"), of_study("Running", "a-2", "a", "s3://b/x/")]
    api_server.answers[RAYJOBS] = [{"items": jobs}]
    assert server.find("a-1").name == "a-1"
    for storage, name in (("/studies", "a-1"), ("/studies/", "a-1"), ("s3://b/x", "a-2")):
        assert server.find("a", storage).name == name
    with pytest.raises(UsageError, match="a-1 in /studies and a-2 in s3://b/x"):
        server.find("a")
    with pytest.raises(JobNotFound, match="Available: a-1, a-2"):
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
    api_server.answers[f"{RAYJOBS}/beale-1"] = [other]
    found, attached = server.submit("beale", "/studies", manifests_of)
    assert (found.name, found.submitter, attached) == ("beale-1", "ana@laptop", True)


def test_a_rayjob_that_is_being_deleted_is_not_attached_to(api_server, server):
    going = of_study("Running", "beale-1", "beale")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:01Z"
    api_server.answers[RAYJOBS] = [{"items": [going]}]
    with pytest.raises(ClusterError, match="is being deleted"):
        server.submit("beale", "/studies", pytest.fail)


def test_a_submission_deletes_only_studies_rayjobs_that_ended_a_while_ago(api_server, server):
    def ended(name: str, study: str, storage: str, **ago: float) -> dict:
        end = (datetime.now(UTC) - timedelta(**ago)).isoformat()
        return of_study("Complete", name, study, storage, endTime=end)

    jobs = [
        ended("beale-1", "beale", "/studies", minutes=11), ended("beale-2", "beale", "/studies", minutes=9),
        ended("beale-3", "beale", "/other", days=6), ended("x-1", "x", "/studies", days=8),
        of_study("Running", "y-1", "y", "/y"), of_study("ValidationFailed", "z-1", "z"),
    ]  # fmt: skip
    api_server.answers[RAYJOBS] = [{"items": jobs}]
    assert not server.submit("beale", "/studies", manifests_of)[1]
    assert [path.rpartition("/")[2] for path in api_server.deleted] == ["beale-1", "x-1", "z-1"]
    listings = [query for path, query in api_server.queries if path == RAYJOBS]
    assert all(query["labelSelector"].startswith("tunepipe/study") for query in listings)


def test_a_stop_returns_when_the_head_has_ended(api_server, server, monkeypatch):
    api_server.answers[JOB] = [rayjob("Running", "s-1", rayClusterName="s-1-x")]
    head, worker = pod("s-1-x-head", "Running", "head"), pod("s-1-x-worker", "Running", "worker")
    # Each request lists the pods that submit, and then those of the cluster.
    api_server.answers[PODS] = [{"items": each} for each in ([], [head, worker], [], [head, worker], [], [worker])]
    server.stop("s-1")
    assert api_server.deleted == [JOB]
    assert api_server.answers[PODS] == [{"items": [worker]}]
    monkeypatch.setattr(rayjobs, "SILENT_SECONDS", 0.0)
    api_server.gone.clear()
    api_server.answers[PODS] = [{"items": [head]}]
    with pytest.raises(ClusterError, match="the pod s-1-x-head of its driver still exists"):
        server.stop("s-1")
