"""RayJobs of studies: found, submitted, followed, stopped, and requests to Kubernetes, on a server on loopback."""

import json
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import MaxRetryError

import tune_jobs
from pipeline.cluster import kubernetes_api, rayjobs
from pipeline.cluster.kubernetes_api import Kubernetes, KubernetesError, translated_errors
from pipeline.cluster.rayjob import Manifests, study_manifests
from pipeline.cluster.rayjobs import RayJobs, driver_output, exit_code_of, fatal_reason, submission_of, why_pods_wait
from pipeline.cluster.submissions import NeverStarts, this_user
from pipeline.errors import ClusterError, StudyExists
from tests.kubernetes_server import CORE, RAYJOBS, pod, rayjob

JOB, PODS, LOG, EVENTS = f"{RAYJOBS}/s-1", f"{CORE}/pods", f"{CORE}/pods/s-1-x/log", f"{CORE}/events"
ENDED = rayjob("Complete", jobStatus="SUCCEEDED")
WAITS = rayjob("Initializing", rayClusterName="c")


@pytest.fixture
def follow(server):
    return lambda: "".join(server.follow("s-1"))


def at(minutes: float) -> str:
    return f"{datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"


NEVER = "insufficient quota for nvidia.com/gpu in flavor a, (0) + current podset request (4) > maximum capacity (2)"
LATER = "insufficient unused quota for nvidia.com/gpu in flavor b, 1 more needed"


def event(about: str, message: str, reason: str = "FailedToCreateWorkerPod", minutes: float = 1) -> dict:
    involved = {"kind": "Pod", "name": about}
    return {"involvedObject": involved, "message": message, "reason": reason, "lastTimestamp": at(minutes)}


def waiting(reason: str, message: str = "") -> dict:
    state = {"waiting": {"reason": reason, "message": message}}
    return pod(containerStatuses=[{"name": "c", "image": "x:1", "state": state}])


def test_a_study_is_followed_to_its_end(api_server, server, follow):
    ray = "2026-11-27 17:29:43,834\tWARN cli.py:85 -- Job 's-1-abc' was stopped\n"
    api_server.answers[JOB] = [*map(rayjob, ("", "Initializing", "Running", "Running")), ENDED]
    api_server.answers[PODS] = [{"items": [pod("s-1-x", "Running")]}]
    logs = ("one\n", "one\ntw", f"one\ntwo\n{ray}", f"one\ntwo\n{ray}half", f"one\ntwo\n{ray}half")
    api_server.answers[LOG] = list(logs)
    printed = follow()
    assert [line for line in printed.splitlines() if "[kubernetes]" not in line] == ["one", "two", "half"]
    assert printed.index("initializing") < printed.index("running") < printed.index("complete")
    assert server.exit_code("s-1") == 0


@pytest.mark.parametrize(("state", "status", "log", "code"), [
    ("Failed", {"jobStatus": "FAILED"}, "a line\n[tunepipe] exit code 3\n", 3),
    ("Complete", {"jobStatus": "STOPPED"}, "[tunepipe] exit code 130\n", 130), ("Complete", {}, "", None),
    ("Complete", {"jobStatus": "SUCCEEDED"}, "[tunepipe] exit code 2\n", 0),
    ("Complete", {"jobStatus": "STOPPED"}, "", None),
    ("Failed", {"jobStatus": "SUCCEEDED", "message": "The head was lost."}, "", None),
])  # fmt: skip
def test_an_end_that_is_not_known_is_never_a_success(state, status, log, code):
    if code is not None:
        assert exit_code_of(rayjob(state, **status), log) == code
    else:
        with pytest.raises(ClusterError):
            exit_code_of(rayjob(state, **status), log)


def test_what_can_never_start_ends_the_following(api_server, follow):
    api_server.answers[JOB] = [WAITS]
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
    api_server.answers[JOB] = [WAITS, WAITS, ENDED]
    assert follow().count("exceeded quota: gpus") == 1


def test_a_server_that_is_busy_for_a_moment_is_asked_again(api_server, follow, monkeypatch):
    api_server.answers[JOB] = [rayjob("Running"), ENDED]
    api_server.failing[JOB] = 2
    assert "complete" in follow()
    monkeypatch.setattr(rayjobs, "SILENT_SECONDS", 0.0)
    api_server.failing[JOB] = 99
    with pytest.raises(ClusterError, match="did not read the RayJob s-1"):
        follow()
    api_server.failing.clear()
    api_server.gone.add(JOB)
    with pytest.raises(ClusterError, match="not found"):
        follow()


BEALE = tune_jobs.find("beale")


def manifests_of(number: int) -> Manifests:
    return study_manifests(BEALE, "beale", "local-cpu", "/studies", [], number=number)


def test_a_submission_deletes_only_studies_rayjobs_that_ended_long_ago(api_server, server):
    def ended(name: str, **ago: float) -> dict:
        return rayjob("Complete", name, endTime=(datetime.now(UTC) - timedelta(**ago)).isoformat())

    refused, running = rayjob("ValidationFailed", "z-1"), rayjob("Running", "y-1", "/y")
    jobs = [ended("x-1", days=8), ended("x-2", days=6), running, refused]
    api_server.answers[RAYJOBS] = [{"items": jobs}]
    assert not server.submit(BEALE, "/studies", manifests_of)[1]
    assert [path.rpartition("/")[2] for path in api_server.deleted] == ["x-1", "z-1"]
    listings = [query for path, query in api_server.queries if path == RAYJOBS]
    assert all(query["labelSelector"].startswith("tunepipe/study") for query in listings)


@pytest.fixture
def made(tmp_path) -> Manifests:
    (tmp_path / "mine.py").write_text("JOB = 1\n")
    return study_manifests(tune_jobs.find("beale"), f"{tmp_path}/mine.py", "local-cpu", "/studies", [])


def test_a_job_file_belongs_to_its_rayjob_which_is_validated(api_server, server, made):
    assert server.create(made)
    (first, _), (_, config_map) = api_server.posted
    assert "fieldValidation=Strict" in first
    owner = {"apiVersion": "ray.io/v1", "kind": "RayJob", "name": "beale-1", "uid": "u-1"}
    assert config_map["metadata"]["ownerReferences"] == [owner]


def test_a_rayjob_whose_file_is_refused_is_deleted(api_server, server, made):
    api_server.refused[f"POST {CORE}/configmaps"] = (422, "data: Invalid value")
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
    first, second = pod("s-1-a", "Succeeded"), pod("s-1-b", "Failed")
    first["metadata"]["creationTimestamp"] = "2026-01-01T00:05:00Z"
    second["metadata"]["creationTimestamp"] = "2026-01-01T00:01:00Z"
    api_server.answers[PODS] = [{"items": [first, second]}]
    api_server.answers[f"{PODS}/s-1-a/log"] = [b"resumed\xff\n[tunepipe] exit code 3\n"]
    api_server.answers[f"{PODS}/s-1-b/log"] = ["began\n"]
    found = submission_of(rayjob("Complete"))
    assert server.output(found) == "began\nresumed\ufffd\n"
    api_server.refused[f"GET {PODS}/s-1-a/log"] = (400, 'container "submitter" is waiting to start: PodInitializing')
    assert server.output(found) == "began\n"
    api_server.refused[f"GET {PODS}/s-1-a/log"] = (403, "no")
    with pytest.raises(ClusterError, match="did not read logs: no"):
        server.output(found)


def test_a_log_that_kubernetes_begins_again_is_printed_from_there(api_server, follow):
    api_server.answers[JOB] = [rayjob("Running"), rayjob("Running"), ENDED]
    api_server.answers[PODS] = [{"items": [pod("s-1-x", "Running")]}]
    api_server.answers[LOG] = ["one\ntwo\n", "three\nfour\nfive\n", "three\nfour\nfive\nsix\n"]
    printed = "".join(line for line in follow().splitlines(keepends=True) if "[kubernetes]" not in line)
    assert printed == "one\ntwo\nthree\nfour\nfive\nsix\n"


def test_submissions_have_their_exit_code_or_why_they_wait(api_server, server):
    waits = rayjob("Initializing", "a-1", rayClusterName="c")
    stopped = rayjob("Complete", "d-1", jobStatus="STOPPED")
    api_server.answers |= {
        RAYJOBS: [{"items": [waits, stopped]}], f"{RAYJOBS}/d-1": [stopped],
        EVENTS: [{"items": [event("c", "quota: 0")]}],
    }  # fmt: skip
    first, second = server.submissions()
    assert (first.state, first.exit_code) == ("INITIALIZING", None)
    assert first.message == "FailedToCreateWorkerPod: quota: 0 (Pod c)"
    assert (second.state, second.exit_code) == ("STOPPED", None)


def test_a_study_that_runs_is_attached_to_unless_it_is_being_deleted(api_server, server):
    api_server.refused[f"POST {RAYJOBS}"] = (409, 'rayjobs.ray.io "beale-1" already exists')
    # The second of two simultaneous submissions.
    with pytest.raises(ClusterError, match='"beale-1" already exists'):
        server.submit(BEALE, "/studies", manifests_of)
    other = rayjob("Running", "beale-1")
    api_server.answers[RAYJOBS] = [{"items": [other]}]
    found, attached = server.submit(BEALE, "/studies", pytest.fail)
    assert (found.name, attached) == ("beale-1", True)
    other["metadata"]["annotations"] |= manifests_of(1).job["metadata"]["annotations"]
    more = BEALE.replaced({"budget.trials": 99})
    assert server.submit(more, "/studies", pytest.fail)[1]
    with pytest.raises(StudyExists, match=f"submitted by {this_user()}"):
        server.submit(BEALE.replaced({"seed": 7}), "/studies", pytest.fail)
    other["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:01Z"
    with pytest.raises(ClusterError, match="is being deleted"):
        server.submit(BEALE, "/studies", pytest.fail)


@pytest.mark.parametrize(
    ("reason", "message", "fatal"),
    [
        ("ErrImagePull", "429 Too Many Requests", False), ("ErrImagePull", "x:1: not found", True),
        ("ErrImagePull", 6 * f"registry.lab/team/tunepipe-gpu@sha256:{'0' * 64}: " + "not found", True),
        ("ImagePullBackOff", "manifest unknown", True), ("InvalidImageName", "couldn't parse", True),
        ("ErrImagePull", "pull access denied, repository does not exist or may require authorization", True),
        ("ImagePullBackOff", 'Back-off pulling image "x:1"', False), ("ErrImageNeverPull", "not here", True),
        ("CreateContainerConfigError", 'secret "absent" not found', False),
    ],
)  # fmt: skip
def test_an_image_that_no_later_pull_can_get_is_fatal(reason: str, message: str, fatal: bool) -> None:
    (said,) = reasons = why_pods_wait(WAITS, [waiting(reason, message)], [])
    what = "image x:1" if "Image" in reason else "container c"
    assert said == f"the {what} of pod p does not start ({reason}): {message}"
    assert (fatal_reason(reasons) is not None) is fatal


def test_how_rays_command_ends_without_a_head_is_one_line_and_tracebacks_of_a_study_stay() -> None:
    block = 'Traceback (most recent call last):\n  File "{}", line 8, in <module>\n    main()\nOSError: no\n'
    joint = "\nThe above exception was the direct cause of the following exception:\n\n"
    own = f"{block.format('a.py')}{joint}{block.format('b.py')}1 epoch\n{block.format('c.py')}"
    rays = joint.join(map(block.format, ("urllib3.py", "requests.py", "/opt/bin/ray")))
    assert driver_output(own + rays) == f"{own}The head of the cluster is gone.\n"


def test_a_pod_says_in_kubernetes_words_why_it_does_not_run() -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available."}
    on_claim: dict[str, Any] = pod(conditions=[unscheduled])
    on_claim["spec"]["volumes"] = [{"persistentVolumeClaim": {"claimName": "studies"}}, {"emptyDir": {}}]
    events = [
        event("studies", 'storageclass "none" not found', "ProvisioningFailed"),
        event("p", "MountVolume.SetUp failed", "FailedMount", minutes=2),
        event("p", "0/2 nodes are available.", "FailedScheduling"),
        event("c-w-1", "The node was low on memory.", "Evicted"),
        event("other", "no concern of ours"),
        event("other-w", "low", "Evicted"),
    ]
    assert why_pods_wait(WAITS, [on_claim], events) == [
        "pod p waits for a node: 0/2 nodes are available",
        "FailedMount: MountVolume.SetUp failed (Pod p)",
        'ProvisioningFailed: storageclass "none" not found (Pod studies)',
        "Evicted: The node was low on memory (Pod c-w-1)",
    ]
    assert len(why_pods_wait(WAITS, [pod(phase="Running")], events)) == 1
    assert why_pods_wait(WAITS, [waiting("ContainerCreating")], []) == []


def test_a_container_that_ends_repeatedly_is_reported_until_it_is_ready() -> None:
    container: dict[str, Any] = {"name": "ray-head", "image": "x:1", "restartCount": 4, "ready": False}
    container["lastState"] = {"terminated": {"exitCode": 7, "reason": "Error"}}
    container["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}}
    head = pod("h", "Running", "head", containerStatuses=[container])
    events = [event("h", "Back-off restarting", "BackOff"), event("h", "Readiness probe failed", "Unhealthy")]
    ended = "the container ray-head of pod h ended with exit code 7, Error"
    reasons = why_pods_wait(WAITS, [head], events)
    assert reasons == [f"{ended} (CrashLoopBackOff): back-off 40s", "Unhealthy: Readiness probe failed (Pod h)"]
    assert fatal_reason(reasons) is None
    container["state"] = {"running": {}}
    assert why_pods_wait(WAITS, [head], [])[0] == f"{ended} (not ready)"
    container["ready"] = True
    assert why_pods_wait(WAITS, [head], events) == []


@pytest.mark.parametrize("kind", ["head", "worker"])
def test_a_pod_that_the_operator_replaces_is_reported_until_one_is_ready(api_server, server, kind):
    """In a cluster that autoscales, no container starts again in its pod, and the operator's events are no warnings."""
    reason = f"Deleted{kind.title()}Pod"
    ended = "Pod status: Failed; Ray container terminated status: &ContainerStateTerminated{ExitCode:137,Signal:0,"
    events = [event("c", f"{ended}Reason:OOMKilled,Message:,}}", reason, minutes) for minutes in (1, 2)]
    events += [event("c", "Deleted pod tunepipe/idle", reason, minutes=3), event("other", events[0]["message"], reason)]
    api_server.answers[RAYJOBS] = [{"items": [rayjob("Initializing", "a-1", rayClusterName="c")]}]
    api_server.answers[f"{EVENTS}/reason={reason}"] = [{"items": events}]
    (found,) = server.submissions()
    assert found.message == f"a {kind} ended with exit code 137, OOMKilled ({reason}): it is made again"
    ready = pod("n", "Running", kind, conditions=[{"type": "Ready", "status": "True"}])
    api_server.answers[PODS] = [{"items": [ready]}]
    assert not server.submissions()[0].message


@pytest.mark.parametrize(("message", "fatal"), [
    ('pods "h" is forbidden: violates PodSecurity "restricted:latest"', True),
    ('admission webhook "k" denied the request: labels', True),
    ('pods "h" is forbidden: exceeded quota: gpus, requested: pods=1, used: pods=4, limited: pods=4', False),
    ('pods "h" is forbidden: status unknown for quota: gpus, resources: pods', False),
    ('configmap "j" is forbidden: User "system:node:n" cannot get resource: no relationship found', False),
    ("failed calling webhook: connection refused", False),
])  # fmt: skip
def test_a_policy_forbids_a_pod_and_a_quota_may_have_room_later(message: str, fatal: bool) -> None:
    reasons = why_pods_wait(WAITS, [], [event("c", message)])
    assert len(reasons) == 1
    assert (fatal_reason(reasons) is not None) is fatal
    # What was refused before the newest pod was created has passed, and so have events of an older RayJob.
    newer = pod(phase="Running", kind="worker")
    newer["metadata"]["creationTimestamp"] = at(5)
    assert why_pods_wait(WAITS, [newer], [event("c", message)]) == []
    assert why_pods_wait(WAITS, [], [event("c", message, minutes=-1)]) == []


@pytest.mark.parametrize(("message", "fatal"), [(NEVER, True), (LATER, False), (f"{NEVER}, {LATER}", False)])
def test_more_than_a_queue_ever_has_is_fatal(message: str, fatal: bool) -> None:
    events = [event(name, message, "Pending") for name in ("rayjob-s-1-0a1b2", "rayjob-s-1-1-0a1b2")]
    reasons = why_pods_wait(rayjob("Suspended"), [], events)
    assert reasons == [f"Pending: {message} (Pod rayjob-s-1-0a1b2)"]
    assert (fatal_reason(reasons) is not None) is fatal
    assert rayjobs.fitting_workers(7, message) == (7 if message == LATER else 3)


def translated(error: Exception) -> KubernetesError:
    with pytest.raises(KubernetesError) as refused, translated_errors("create the RayJob s-1"):
        raise error
    return refused.value


def refusal(status: int, body: str) -> ApiException:
    error = ApiException(status=status, reason="Refused")
    error.body = body
    return error


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "404 page not found"), (403, "webhook denied: \n\nno autoscaling\n"), (422, 'say "no" \\ <b> & Müller')],
)
def test_a_refusal_has_the_servers_message(status, message):
    error = translated(refusal(status, json.dumps({"message": message})))
    assert str(error).startswith(f"Kubernetes did not create the RayJob s-1: {' '.join(message.split())}")
    assert ("Install the KubeRay operator" in str(error)) is (status == 404)
    assert (error.status, error.passes) == (status, False)


def test_a_server_that_does_not_answer_now_may_answer_later():
    for error in (refusal(429, ""), refusal(503, "{}"), MaxRetryError(None, "/x", None), ConnectionRefusedError("no")):
        assert translated(error).passes


def test_a_server_that_says_nothing_is_not_waited_for_without_end(api_server, tmp_path, monkeypatch):
    monkeypatch.setattr(kubernetes_api, "ANSWER_SECONDS", (10.0, 0.01))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = yaml.safe_load((tmp_path / "config").read_text())
        config["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        with pytest.raises(KubernetesError) as refused:
            RayJobs(None, "tunepipe").job("s-1")
    assert refused.value.passes


def test_a_page_to_log_in_is_no_answer(api_server):
    api_server.answers[f"{RAYJOBS}/s-1"] = ["<html>Log in</html>"]
    with pytest.raises(ClusterError, match="the answer is not JSON"):
        RayJobs(None, "tunepipe").job("s-1")


@pytest.mark.parametrize("content", [None, b"hello", b"\xff\xfe", b"a:\n\t- b"])
def test_a_context_or_kubeconfig_that_is_none_is_reported(api_server, tmp_path, content):
    if content is not None:
        (tmp_path / "config").write_bytes(content)
    with pytest.raises(ClusterError, match="Kubernetes cannot be used: "):
        Kubernetes("nowhere" if content is None else None, "tunepipe")
