"""RayJobs as submissions: a server on loopback that answers as Kubernetes does."""

from typing import Any

import pytest

from pipeline.cluster.kubernetes_cluster import Kubernetes
from pipeline.cluster.rayjob_states import STUDY_LABEL, study_of
from pipeline.cluster.rayjob_submissions import find_rayjob, rayjob_submissions
from pipeline.errors import JobNotFound, UsageError
from tests.unit.cluster.kubernetes_server import CORE, RAYJOBS, ApiServer, pod, rayjob

KEPT = "The RayJob waits without a limit; `tunepipe stop {} --kubernetes --namespace tunepipe` deletes it."
WORKLOADS = "/apis/kueue.x-k8s.io/v1beta2/namespaces/tunepipe/workloads"


def of_study(state: str, name: str, study: str, **status: Any) -> dict[str, Any]:
    """A RayJob of a study, in a storage."""
    job = rayjob(state, name, **status)
    job["metadata"] |= {"labels": {"tunepipe/study": study}, "annotations": {"tunepipe/storage": "/studies"}}
    return job


def test_each_rayjob_has_its_state_and_its_exit_code(api_server: ApiServer) -> None:
    """A RayJob has the study, the storage and the operator's state; one that ended has its command's exit code."""
    failed = of_study("Failed", "a-1", "a", message="Job entrypoint command failed with exit code 3, last logs")
    api_server.answers[RAYJOBS] = [{"items": [failed, of_study("", "b-1", "b"), of_study("Running", "a-2", "a")]}]
    api_server.answers[f"{RAYJOBS}/a-1"] = [failed]
    found = rayjob_submissions(Kubernetes(None, "tunepipe"))
    assert [(each.name, each.study, each.state, each.exit_code) for each in found] == [
        ("a-1", "a", "FAILED", 3),
        ("b-1", "b", "PENDING", None),
        ("a-2", "a", "RUNNING", None),
    ]
    assert {each.storage for each in found} == {"/studies"}


@pytest.mark.parametrize(
    ("log", "code", "state"),
    [("[tunepipe] exit code 2\n", 2, "FAILED"), ("", None, "STOPPED")],
)
def test_a_study_with_a_mistake_is_not_called_complete(
    api_server: ApiServer, log: str, code: int | None, state: str
) -> None:
    """A RayJob whose study ended with a mistake has failed, or is stopped with a reason where its log is gone."""
    ended = of_study("Complete", "a-1", "a", jobStatus="STOPPED", message="Job was intentionally stopped.")
    api_server.answers[RAYJOBS] = [{"items": [ended]}]
    api_server.answers[f"{RAYJOBS}/a-1"] = [ended]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("a-1-x", "Succeeded")]}]
    api_server.answers[f"{CORE}/pods/a-1-x/log"] = [log]
    (found,) = rayjob_submissions(Kubernetes(None, "tunepipe"))
    assert (found.exit_code, found.state) == (code, state)
    assert ("exit code is not known" in found.message) is (code is None)


def test_a_rayjob_that_waits_says_why(api_server: ApiServer) -> None:
    """A waiting RayJob has Kueue's message if it is queued, and the scheduler's if its pod finds no node."""
    queued = of_study("Suspended", "a-1", "a")
    queued["metadata"] |= {"uid": "u-1"}
    queued["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "gpus"
    queued["spec"] = {"suspend": True}
    reserved = {"type": "QuotaReserved", "status": "False", "message": "no quota"}
    workload = {"metadata": {"ownerReferences": [{"uid": "u-1"}]}, "status": {"conditions": [reserved]}}
    api_server.answers[RAYJOBS] = [{"items": [queued, of_study("Initializing", "b-1", "b")]}]
    api_server.answers[WORKLOADS] = [{"items": [workload]}]
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("b-1-x", conditions=[unscheduled])]}]
    assert [each.message for each in rayjob_submissions(Kubernetes(None, "tunepipe"))] == [
        "a-1 waits in the queue 'gpus': no quota",
        f"pod b-1-x waits for a node: 0/2 nodes are available. {KEPT.format('b-1')}",
    ]


def test_a_rayjob_that_cannot_start_says_why(api_server: ApiServer) -> None:
    """A RayJob without an image, a pod or an operator has the message of `submit`; events are read once for all."""
    jobs = [of_study("Initializing", name, "a", rayClusterName=f"{name}-c") for name in ("a-1", "a-2", "a-3")]
    api_server.answers[RAYJOBS] = [{"items": [*jobs, of_study("", "a-4", "a")]}]
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "x:1: not found"}}
    missing = {"name": "c", "image": "x:1", "imageID": "", "ready": False, "restartCount": 0, "state": waiting}
    of_each = [[pod(containerStatuses=[missing])], [], [], [], [], []]
    api_server.answers[f"{CORE}/pods"] = [{"items": pods} for pods in of_each]
    messages = {"a-2-c": "violates PodSecurity", "a-3-c": "exceeded quota: gpus"}
    events = [
        {"metadata": {"name": "e"}, "involvedObject": {"name": name}, "message": message}
        for name, message in messages.items()
    ]
    api_server.answers[f"{CORE}/events"] = [{"items": events}]
    found = [each.message for each in rayjob_submissions(Kubernetes(None, "tunepipe"))]
    assert found[0].startswith("The image 'x:1' of pod p cannot be pulled: x:1: not found (ErrImagePull)")
    assert found[0].endswith(KEPT.format("a-1"))
    assert found[1].startswith("The namespace 'tunepipe' refuses a pod of 'a-2': violates PodSecurity. Change")
    assert found[2].endswith(f"has no room for another pod now: exceeded quota: gpus. {KEPT.format('a-3')}")
    assert "the KubeRay operator does not run" in found[3]
    selectors = [query["fieldSelector"] for path, query in api_server.queries if path == f"{CORE}/events"]
    assert selectors == ["type=Warning", "reason=DeletedHeadPod", "reason=DeletedWorkerPod"]


def test_a_study_that_trains_is_not_to_be_deleted(api_server: ApiServer) -> None:
    """While a worker trains, `status` says why other pods do not start, without a command that deletes the study."""
    waiting = {"waiting": {"reason": "ErrImageNeverPull", "message": "not there"}}
    missing = {"name": "c", "image": "x:1", "imageID": "", "ready": False, "restartCount": 0, "state": waiting}
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "no spot node"}
    trains = [pod("h", "Running", "head"), pod("w", "Running", "worker")]
    others = [pod("x", containerStatuses=[missing]), pod("y", conditions=[unscheduled])]
    api_server.answers[RAYJOBS] = [{"items": [of_study("Running", "a-1", "a", rayClusterName="a-1-c")]}]
    api_server.answers[f"{CORE}/pods"] = [{"items": [*trains, each]} for each in others for _ in range(2)]
    fatal, waits = (rayjob_submissions(Kubernetes(None, "tunepipe"))[0].message for _ in others)
    assert fatal.startswith("The image 'x:1' of pod x cannot be pulled: not there (ErrImageNeverPull)")
    assert "tunepipe stop" not in fatal
    assert waits == "pod y waits for a node: no spot node"


def test_a_command_that_deletes_a_rayjob_names_the_context(api_server: ApiServer) -> None:
    """The command that deletes a RayJob has the context in which it was found, which may not be the current one."""
    api_server.answers[RAYJOBS] = [{"items": [of_study("Initializing", "a-1", "a", rayClusterName="a-1-c")]}]
    event = {"metadata": {"name": "e"}, "involvedObject": {"name": "a-1-c"}, "message": "violates PodSecurity"}
    api_server.answers[f"{CORE}/events"] = [{"items": [event]}]
    (found,) = rayjob_submissions(Kubernetes("c", "tunepipe"))
    assert found.message.endswith("`tunepipe stop a-1 --kubernetes --context c --namespace tunepipe` deletes it.")


def test_a_study_that_has_lost_its_head_says_so(api_server: ApiServer) -> None:
    """A study that runs without a head says so, unless it has ended since its RayJob was read."""
    runs = of_study("Running", "a-1", "a", rayClusterName="a-1-c")
    api_server.answers[RAYJOBS] = [{"items": [runs]}]
    (found,) = rayjob_submissions(Kubernetes(None, "tunepipe"))
    assert found.message.startswith("a-1 has lost its head. ")
    api_server.answers[RAYJOBS] = [{"items": [runs]}, {"items": [of_study("Complete", "a-1", "a")]}]
    (found,) = rayjob_submissions(Kubernetes(None, "tunepipe"))
    assert found.message == ""


def test_a_running_study_names_the_last_pod_that_was_evicted(api_server: ApiServer) -> None:
    """A study that runs names the last of its pods that were evicted, but one that waits what it waits for."""
    api_server.answers[RAYJOBS] = [{"items": [of_study("Running", "a-1", "a", rayClusterName="a-1-c")]}]
    events = [
        {
            "metadata": {"name": "e"},
            "involvedObject": {"name": f"a-1-c-worker-{number}"},
            "reason": "Evicted",
            "message": "The node was low on resource: memory.",
            "lastTimestamp": f"2026-01-01T0{number}:00:00Z",
        }
        for number in (1, 2)
    ]
    api_server.answers[f"{CORE}/events"] = [{"items": events}]
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}
    head, waiting = pod("h", "Running", "head"), pod(conditions=[unscheduled])
    api_server.answers[f"{CORE}/pods"] = [{"items": [head]}, {"items": []}, {"items": [head, waiting]}]
    messages = [rayjob_submissions(Kubernetes(None, "tunepipe"))[0].message for _ in range(2)]
    assert messages == [
        "pod a-1-c-worker-2 was evicted from its node: The node was low on resource: memory",
        f"pod p waits for a node: 0/2 nodes are available. {KEPT.format('a-1')}",
    ]


def test_a_study_whose_end_was_not_read_says_why(api_server: ApiServer) -> None:
    """A RayJob whose operator cannot reach its head says so while it runs, and after it has failed."""
    message = "The RayJob submitter finished at 10:00 but the ray job did not reach terminal state within 30s"
    submits = pod("a-2-x", "Succeeded")
    submits["metadata"]["labels"]["job-name"] = "a-2"
    failed = of_study("Failed", "a-1", "a", message=message)
    api_server.answers[RAYJOBS] = [{"items": [failed, of_study("Running", "a-2", "a")]}]
    api_server.answers[f"{RAYJOBS}/a-1"] = [failed]
    api_server.answers[f"{CORE}/pods"] = [{"items": [submits]}]
    ended, runs = (each.message for each in rayjob_submissions(Kubernetes(None, "tunepipe")))
    assert ended.startswith("a-1: the study's command has ended")
    assert ended.endswith(message)
    assert runs.startswith("a-2: the study's command has ended")


def test_a_reason_is_found_without_the_right_to_list_events(api_server: ApiServer) -> None:
    """Without the right to list events, a RayJob that waits for a node still says so."""
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}
    api_server.answers[RAYJOBS] = [{"items": [of_study("Initializing", "a-1", "a")]}]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod(conditions=[unscheduled])]}]
    api_server.gone.add(f"{CORE}/events")
    (found,) = rayjob_submissions(Kubernetes(None, "tunepipe"))
    assert found.message == f"pod p waits for a node: 0/2 nodes are available. {KEPT.format('a-1')}"


def test_one_is_found_by_its_name_or_its_study(api_server: ApiServer) -> None:
    """RayJobs are found by name or as those of a study that run, else the newest; an unknown name is refused."""
    api_server.answers[RAYJOBS] = [{"items": [of_study("Running", f"a-{number}", "a") for number in (1, 2)]}]
    server = Kubernetes(None, "tunepipe")
    assert [each.name for each in rayjob_submissions(server, "a-1")] == ["a-1"]
    assert [each.name for each in rayjob_submissions(server, "a")] == ["a-1", "a-2"]
    ended = [of_study("Complete", f"a-{number}", "a") for number in (1, 2)]
    api_server.answers[RAYJOBS] = [{"items": ended}]
    for job in ended:
        api_server.answers[f"{RAYJOBS}/{job['metadata']['name']}"] = [job]
    assert [each.name for each in rayjob_submissions(server, "a")] == ["a-2"]
    with pytest.raises(JobNotFound, match="Available: a-1, a-2"):
        rayjob_submissions(server, "b")


def test_a_slash_at_its_end_makes_no_other_storage(api_server: ApiServer) -> None:
    """A RayJob is found by its storage with and without a slash at its end, even where an older tunepipe kept one."""
    older = of_study("Running", "a-2", "a")
    older["metadata"]["annotations"] = {"tunepipe/storage": "s3://b/x/"}
    api_server.answers[RAYJOBS] = [{"items": [of_study("Running", "a-1", "a"), older]}]
    server = Kubernetes(None, "tunepipe")
    found = [find_rayjob(server, "a", f"{storage}{end}") for storage in ("/studies", "s3://b/x") for end in ("", "/")]
    assert [each["metadata"]["name"] for each in found] == ["a-1", "a-1", "a-2", "a-2"]


def test_the_storage_tells_studies_of_one_name_apart(api_server: ApiServer) -> None:
    """Of RayJobs of one name, that with the given storage is found, and another storage is refused with theirs."""
    other = of_study("Running", "a-2", "a")
    other["metadata"]["annotations"] = {"tunepipe/storage": "s3://b/x", "tunepipe/study-name": "A"}
    api_server.answers[RAYJOBS] = [{"items": [of_study("Complete", "a-1", "a"), other]}]
    server = Kubernetes(None, "tunepipe")
    assert find_rayjob(server, "a", "/studies")["metadata"]["name"] == "a-1"
    assert [study_of(find_rayjob(server, "a", storage)) for storage in ("/studies", None)] == ["a", "A"]
    with pytest.raises(JobNotFound, match=r"has its study in /tmp; found it in /studies, s3://b/x"):
        find_rayjob(server, "a", "/tmp")


@pytest.mark.parametrize(("named", "found"), [("s-1", "s-1"), ("s", "s-2"), ("t", "t-2"), ("t-1", "t-1")])
def test_a_study_is_found_by_its_rayjob_that_has_not_ended(api_server: ApiServer, named: str, found: str) -> None:
    """A study's RayJob is the one that has not ended, else its newest; a RayJob is found by its own name."""
    states = {"s-1": "Complete", "s-2": "Running", "s-3": "Failed", "t-1": "Failed", "t-2": "Complete"}
    jobs = [of_study(state, name, name[0]) for name, state in states.items()]
    api_server.answers[RAYJOBS] = [{"items": jobs}]
    assert find_rayjob(Kubernetes(None, "tunepipe"), named)["metadata"]["name"] == found


def test_only_rayjobs_of_studies_are_found(api_server: ApiServer) -> None:
    """RayJobs are searched among those of studies: one of another origin is neither found nor listed."""
    with pytest.raises(JobNotFound, match=r"There are none\..* --namespace and --context choose another"):
        find_rayjob(Kubernetes(None, "tunepipe"), "theirs")
    assert api_server.queries == [(RAYJOBS, {"labelSelector": STUDY_LABEL})]


def test_a_name_that_means_two_rayjobs_is_refused(api_server: ApiServer) -> None:
    """A study in two storages is listed but found by its storage only; a RayJob named like another study is refused."""
    elsewhere = of_study("Running", "s-2", "s")
    elsewhere["metadata"]["annotations"]["tunepipe/storage"] = "s3://b"
    jobs = [of_study("Running", "s-1", "s"), elsewhere, of_study("Running", "s-1-1", "s-1")]
    api_server.answers[RAYJOBS] = [{"items": jobs}]
    server = Kubernetes(None, "tunepipe")
    assert [each.name for each in rayjob_submissions(server, "s")] == ["s-1", "s-2"]
    with pytest.raises(UsageError, match=r"runs as several RayJobs: s-1 in /studies and s-2 in s3://b\. Name one of"):
        find_rayjob(server, "s")
    assert find_rayjob(server, "s", "s3://b")["metadata"]["name"] == "s-2"
    with pytest.raises(UsageError, match=r"'s-1' is both a submission of the study 's' and another study"):
        find_rayjob(server, "s-1")
