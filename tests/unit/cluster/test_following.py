"""Following a RayJob on a server on loopback that answers as Kubernetes does."""

import pytest

from pipeline.cluster import following, operator_diagnostics
from pipeline.cluster.ended_rayjobs import read_exit_code
from pipeline.cluster.following import NeverStarts, follow as follow_rayjob, output
from pipeline.cluster.kubernetes_cluster import Kubernetes
from pipeline.errors import ClusterError
from tests.unit.cluster.kubernetes_server import CORE, RAYJOBS, pod, rayjob, stamped

WORKLOADS = "/apis/kueue.x-k8s.io/v1beta2/namespaces/tunepipe/workloads"


def follow(wait_pods: float = 60) -> str:
    """All that is printed about s-1."""
    return "".join(follow_rayjob(Kubernetes(None, "tunepipe"), "s-1", wait_pods=wait_pods))


def test_a_study_is_followed_to_its_end(api_server):
    """Following a RayJob prints its states in order and each line of its log once, until it ends with exit code 0."""
    path = f"{RAYJOBS}/s-1"
    api_server.answers[path] = [
        rayjob(),
        rayjob("Initializing"),
        rayjob("Running"),
        rayjob("Complete", jobStatus="SUCCEEDED"),
    ]
    api_server.answers[f"{CORE}/pods"] = [{"items": []}, {"items": [pod("s-1-x", "Running")]}]
    api_server.answers[f"{CORE}/pods/s-1-x/log"] = [stamped("one\n"), stamped("one\ntwo\n")]
    reported = follow()
    assert reported.count("one\n") == reported.count("two\n") == 1
    assert reported.index("Initializing") < reported.index("Running") < reported.index("Complete")
    assert read_exit_code(Kubernetes(None, "tunepipe"), "s-1") == 0


def test_a_rayjob_whose_pod_disappears_is_followed_to_its_end(api_server):
    """A RayJob is followed to its end although the pod with its log disappears between two requests."""
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Retrying"), rayjob("Complete")]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("s-1-x", "Failed")]}]
    api_server.gone.add(f"{CORE}/pods/s-1-x/log")
    assert "Complete" in follow()


def test_a_study_that_must_not_be_retried_prints_its_exit_code(api_server):
    """The exit code of a study that must not be retried is read from its log, and its line is not printed."""
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Running"), rayjob("Complete", jobStatus="STOPPED")]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("s-1-x", "Succeeded")]}]
    log = "tunepipe: no job 'x'.\n[tunepipe] exit code 2\n"
    log += "2026-11-27 17:29:43,834\tWARN cli.py:85 -- Job 's-1-abc' was stopped\n"
    api_server.answers[f"{CORE}/pods/s-1-x/log"] = [log]
    reported = follow()
    assert "no job 'x'." in reported
    assert "exit code" not in reported
    assert "was stopped" not in reported
    assert read_exit_code(Kubernetes(None, "tunepipe"), "s-1") == 2


def queued(**conditions: tuple[str, str]) -> tuple[dict, dict]:
    """A RayJob in Kueue's queue, and its workload with conditions: type → status and message."""
    job = rayjob("Suspended")
    job["metadata"] |= {"uid": "u-1", "labels": {"kueue.x-k8s.io/queue-name": "gpus"}}
    job["spec"]["suspend"] = True
    reported = [{"type": name, "status": status, "message": message} for name, (status, message) in conditions.items()]
    metadata = {"name": "w", "ownerReferences": [{"uid": "u-1"}]}
    return job, {"metadata": metadata, "status": {"conditions": reported}}


def test_a_study_in_a_queue_reports_what_it_waits_for(api_server):
    """A queued study reports Kueue's reason instead of a suspension, even after a preemption."""
    waits, first = queued(QuotaReserved=("False", "insufficient unused quota for nvidia.com/gpu"))
    evicted, second = queued(
        QuotaReserved=("False", "Preempted"), Evicted=("True", "Preempted to accommodate a workload (UID: 7)")
    )
    api_server.answers[f"{RAYJOBS}/s-1"] = [waits, waits, evicted, rayjob("Complete")]
    api_server.answers[WORKLOADS] = [{"items": [first]}, {"items": [first]}, {"items": [second]}]
    reported = follow()
    assert reported.count("s-1 waits in the queue 'gpus': insufficient unused quota for nvidia.com/gpu") == 1
    assert (
        "s-1 was evicted from the queue 'gpus' and waits in it again: Preempted to accommodate a workload" in reported
    )
    assert "Suspended" not in reported


def test_a_queue_without_read_permission_is_named(api_server):
    """Without the right to list workloads, the message names the queue without a reason."""
    api_server.answers[f"{RAYJOBS}/s-1"] = [queued()[0], rayjob("Complete")]
    api_server.gone.add(WORKLOADS)
    assert "s-1 waits in the queue 'gpus'\n" in follow()


def test_a_study_without_requested_pods_is_reported(api_server, monkeypatch):
    """A running study for which no worker pod was requested is reported, unless it had a worker before."""
    monkeypatch.setattr(following, "SILENT_SECONDS", 0.0)
    path = f"{RAYJOBS}/s-1"
    api_server.answers[path] = [rayjob("Running"), rayjob("Running"), rayjob("Complete")]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("s-1-head", "Running", "head")]}]
    api_server.answers[f"{CORE}/pods/s-1-head/log"] = [""]
    printed = follow()
    assert "s-1 runs without a worker: no pod was requested" in printed
    assert "`kubectl exec -n tunepipe s-1-head -c ray-head -- ray status` lists" in printed
    api_server.answers[path] = [rayjob("Running"), rayjob("Running"), rayjob("Complete")]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("w", "Running", "worker")]}] * 2 + [{"items": []}]
    api_server.answers[f"{CORE}/pods/w/log"] = [""]
    assert "without a worker" not in follow()


def test_a_head_that_ends_again_and_again_is_reported_and_awaited(api_server):
    """A head that ends at each start is reported from the operator's events, and after --wait-pods it is an error."""
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Initializing", rayClusterName="s-1-abcde")]
    ended = (
        "Deleted head Pod tunepipe/h; Pod status: Failed; Ray container terminated status: &ContainerStateTerminated"
    )
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"name": "s-1-abcde"},
        "reason": "DeletedHeadPod",
        "message": ended + "{ExitCode:1,Signal:0,Reason:Error,Message:,}",
    }
    api_server.answers[f"{CORE}/events?reason=DeletedHeadPod"] = [{"items": [event]}, {"items": [event, event]}]
    with pytest.raises(ClusterError, match=r"for 0 s: the head of s-1 ends repeatedly, last with exit code 1 "):
        follow(wait_pods=0)


def test_an_image_that_cannot_be_pulled_is_reported(api_server):
    """An image that cannot be pulled is reported with its name and the node's message."""
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    state = {"name": "c", "image": "x:1", "imageID": "", "ready": False, "restartCount": 0, "state": waiting}
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Initializing")]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod(containerStatuses=[state])]}]
    with pytest.raises(NeverStarts, match=r"image 'x:1' of pod p cannot be pulled: not found.*--image"):
        follow()


def unpulled(message: str, failed: int = 0) -> tuple[dict, dict]:
    """A pod whose image could not be pulled, and the event that counts its failed pulls."""
    waiting = {"waiting": {"reason": "ErrImagePull", "message": message}}
    state = {"name": "c", "image": "x:1", "imageID": "", "ready": False, "restartCount": 0, "state": waiting}
    return pod(containerStatuses=[state]), event("p", f'Failed to pull image "x:1": {message}', count=failed)


def event(about: str, message: str, **fields) -> dict:
    """A warning event."""
    return {"metadata": {"name": "e"}, "involvedObject": {"name": about}, "message": message, **fields}


def test_an_image_is_waited_for_until_three_pulls_have_failed(api_server):
    """An image whose registry is busy is reported once and waited for, and is an error after three failed pulls."""
    path = f"{RAYJOBS}/s-1"
    busy, first = unpulled("429 Too Many Requests", failed=1)
    api_server.answers[path] = [*[rayjob("Initializing")] * 3, rayjob("Complete")]
    api_server.answers[f"{CORE}/pods"] = [{"items": [busy]}]
    api_server.answers[f"{CORE}/events"] = [{"items": [first]}]
    reported = follow()
    assert (
        reported.count("the image 'x:1' could not be pulled yet, and the nodes try again: 429 Too Many Requests") == 1
    )
    api_server.answers[path] = [rayjob("Initializing")]
    api_server.answers[f"{CORE}/events"] = [{"items": [{**first, "count": count}]} for count in (2, 3)]
    with pytest.raises(NeverStarts, match=r"The image 'x:1' of pod p cannot be pulled: 429 Too Many Requests"):
        follow()
    api_server.answers[f"{CORE}/events"] = [{"items": [first]}]
    with pytest.raises(ClusterError, match=r"could not start for 0 s: the image 'x:1'.*The RayJob waits") as refused:
        follow(wait_pods=0)
    assert not isinstance(refused.value, NeverStarts)


def used_up(pod_name: str) -> dict:
    """The event of a quota of four GPUs that others use."""
    amounts = ", ".join(f"{kind}: requests.nvidia.com/gpu={number}" for kind, number in QUOTA.items())
    return event("c", f'pods "{pod_name}" is forbidden: exceeded quota: gpus, {amounts}')


QUOTA = {"requested": 1, "used": 4, "limited": 4}


def test_a_quota_without_room_is_waited_for(api_server, monkeypatch):
    """A quota that others use is reported once, whichever pod it refuses, and waited for; then the study runs."""
    monkeypatch.setattr(following, "SILENT_SECONDS", 0.0)
    going = rayjob("Running", rayClusterName="c")
    api_server.answers[f"{RAYJOBS}/s-1"] = [going, going, going, rayjob("Complete")]
    api_server.answers[f"{CORE}/events"] = [{"items": [used_up(name)]} for name in ("c-w-1", "c-w-2", "c-w-3")]
    reported = follow()
    assert reported.count("has no room for another pod now: exceeded quota: gpus, requested: requests.nvidia") == 1
    assert "runs without a worker" not in reported
    assert "Complete" in reported


def test_a_quota_without_room_ends_the_following_after_wait_pods(api_server):
    """A quota that has no room for longer than --wait-pods ends the following, not the RayJob, if no worker ran."""
    going = rayjob("Running", rayClusterName="c")
    api_server.answers[f"{RAYJOBS}/s-1"] = [going]
    api_server.answers[f"{CORE}/events"] = [{"items": [used_up("c-w-1")]}]
    with pytest.raises(ClusterError, match=r"could not start for 0 s: the quota.*The RayJob waits") as refused:
        follow(wait_pods=0)
    assert not isinstance(refused.value, NeverStarts)
    workers = [{"items": [pod("w", "Running", "worker")]}] * 4 + [{"items": []}]
    api_server.answers[f"{RAYJOBS}/s-1"] = [*[going] * 4, rayjob("Complete")]
    api_server.answers[f"{CORE}/pods"] = workers
    api_server.answers[f"{CORE}/pods/w/log"] = [""]
    assert "Complete" in follow(wait_pods=0)


def test_a_quota_smaller_than_one_pod_is_an_error_immediately(api_server, monkeypatch):
    """A quota that is smaller than one pod is an error without waiting, because waiting does not help."""
    monkeypatch.setitem(QUOTA, "requested", 8)
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Initializing", rayClusterName="c")]
    api_server.answers[f"{CORE}/events"] = [{"items": [used_up("c-head")]}]
    with pytest.raises(
        NeverStarts, match=r"requests.nvidia.com/gpu: 8 of 4.*waiting does not help. Change the overlay"
    ):
        follow()


def test_a_running_study_is_followed_without_further_workers(api_server):
    """A study that trains is followed to its end although the quota has no room for another worker."""
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Running"), rayjob("Running"), rayjob("Complete")]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("w", "Running", "worker")]}] * 2 + [{"items": []}]
    api_server.answers[f"{CORE}/pods/w/log"] = [""]
    api_server.answers[f"{CORE}/events"] = [{"items": [event("s-1", "exceeded quota: gpus")]}]
    reported = follow()
    assert reported.count("exceeded quota: gpus") == 1
    assert "Complete" in reported


def test_a_server_that_is_busy_for_a_moment_is_asked_again(api_server, monkeypatch):
    """A request to a server that is temporarily busy is repeated, and the error is raised if it lasts."""
    path = f"{RAYJOBS}/s-1"
    api_server.answers[path] = [rayjob("Running"), rayjob("Complete")]
    api_server.errors[path] = 2
    assert "Complete" in follow()
    monkeypatch.setattr(following, "SILENT_SECONDS", 0.0)
    api_server.errors[path] = 99
    with pytest.raises(ClusterError, match="did not read the RayJob s-1"):
        follow()


def test_a_namespace_that_forbids_a_pod_is_reported(api_server):
    """A namespace that forbids a pod is reported with the event's message, because the RayJob's status has none."""
    message = 'pods "s-1-head" is forbidden: violates PodSecurity "restricted:latest"'
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Initializing", rayClusterName="s-1-abc")]
    api_server.answers[f"{CORE}/events"] = [
        {"items": [{"metadata": {"name": "e"}, "involvedObject": {"name": "s-1-abc"}, "message": message}]}
    ]
    with pytest.raises(ClusterError, match=r"refuses a pod of 's-1'.*violates PodSecurity"):
        follow()


def test_pods_without_a_node_are_reported_and_awaited(api_server):
    """Pods without a node are reported once while they are awaited, and after --wait-pods they are an error."""
    condition = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available: 2 Insufficient gpu."}
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Initializing"), rayjob("Initializing"), rayjob("Complete")]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod(conditions=[condition])]}]
    assert follow().count("waits for a node: 0/2 nodes are available") == 1
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Initializing")]
    with pytest.raises(ClusterError, match=r"could not start for 0 s: pod p waits.*The RayJob waits.*--wait-pods"):
        follow(wait_pods=0)


def test_a_lost_head_is_reported(api_server):
    """A running study without a head at two requests in succession is reported; one that has just ended is not."""
    runs = rayjob("Running", rayClusterName="s-1-c")
    runs["spec"]["backoffLimit"] = 3
    head = {"items": [pod("h", "Running", "head")]}
    api_server.answers[f"{CORE}/pods/h/log"] = [""]
    api_server.answers[f"{RAYJOBS}/s-1"] = [runs, runs, rayjob("Complete")]
    api_server.answers[f"{CORE}/pods"] = [head, head, head, {"items": []}]
    assert "has lost its head" not in follow()
    api_server.answers[f"{RAYJOBS}/s-1"] = [runs, runs, rayjob("Retrying"), rayjob("Complete")]
    api_server.answers[f"{CORE}/pods"] = [{"items": []}]
    assert follow().count("[kubernetes] s-1 has lost its head. KubeRay starts it again on a new cluster") == 1


def test_a_pod_that_is_evicted_is_reported_once(api_server):
    """A worker that its node evicts is reported once with the node's reason, although others train, and is no error."""
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"name": "s-1-c-worker-x"},
        "reason": "Evicted",
        "message": "Pod ephemeral local storage usage exceeds the total limit of containers 22Gi. ",
    }
    runs = rayjob("Running", rayClusterName="s-1-c")
    api_server.answers[f"{RAYJOBS}/s-1"] = [runs, runs, rayjob("Complete")]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("a", "Running", "worker")]}]
    api_server.answers[f"{CORE}/pods/a/log"] = [""]
    api_server.answers[f"{CORE}/events"] = [{"items": [event]}]
    reported = follow(wait_pods=0)
    reason = "pod s-1-c-worker-x was evicted from its node: Pod ephemeral local storage usage exceeds the total limit"
    assert reported.count(f"[kubernetes] {reason}") == 1


def test_workers_that_are_evicted_before_they_train_are_an_error(api_server):
    """If nodes evict each worker before it trains, following ends after --wait-pods with the last node's reason."""
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"name": "s-1-c-worker-x"},
        "reason": "Evicted",
        "message": "The node was low on resource: memory.",
    }
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Running", rayClusterName="s-1-c")]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("h", "Running", "head")]}]
    api_server.answers[f"{CORE}/pods/h/log"] = [""]
    api_server.answers[f"{CORE}/events"] = [{"items": [event]}]
    reason = r"could not start for 0 s: pod s-1-c-worker-x was evicted from its node: .*memory\. The RayJob waits"
    with pytest.raises(ClusterError, match=reason):
        follow(wait_pods=0)


def test_more_workers_are_waited_for_while_one_works(api_server):
    """While a worker trains the study, a pod without a node is reported and is not an error after --wait-pods."""
    condition = {"type": "PodScheduled", "status": "False", "message": "no spot node"}
    pods = [pod("a", "Running", "worker"), pod("b", kind="worker", conditions=[condition])]
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Running"), rayjob("Running"), rayjob("Complete")]
    api_server.answers[f"{CORE}/pods"] = [{"items": pods}]
    api_server.answers[f"{CORE}/pods/a/log"] = [""]
    assert "pod b waits for a node: no spot node" in follow(wait_pods=0)


def test_an_operator_that_does_not_react_is_reported(api_server, monkeypatch):
    """A RayJob that no operator has processed for some time is an error that names the KubeRay operator."""
    monkeypatch.setattr(operator_diagnostics, "SILENT_SECONDS", 0.0)
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob()]
    with pytest.raises(ClusterError, match="the KubeRay operator does not run"):
        follow()


def test_an_operator_that_cannot_reach_the_head_is_reported_once(api_server):
    """A study whose end the operator cannot read is reported once with the remedy, over all states of its RayJob."""
    message = "The RayJob submitter finished at 10:00 but the ray job did not reach terminal state within 30s"
    states = [rayjob("Running"), rayjob("Retrying", message=message), rayjob("Failed", message=message)]
    api_server.answers[f"{RAYJOBS}/s-1"] = states
    submits = pod("s-1-x", "Succeeded")
    submits["metadata"]["labels"]["job-name"] = "s-1"
    api_server.answers[f"{CORE}/pods"] = [{"items": [submits]}]
    api_server.answers[f"{CORE}/pods/s-1-x/log"] = [stamped("finished\n")]
    reported = follow()
    assert reported.count("the KubeRay operator could not read that from port 8265 of the head") == 1
    assert reported.index("port 8265") < reported.index("finished\n") < reported.index("Retrying")


def test_a_rayjob_that_was_deleted_is_reported(api_server):
    """A RayJob that was deleted is an error, and its message says that the study's records are kept."""
    api_server.gone.add(f"{RAYJOBS}/s-1")
    with pytest.raises(ClusterError, match=r"It was deleted\. The study's records are kept"):
        follow()


def test_only_the_end_of_a_log_is_read_again(api_server):
    """A log is read whole once, then only what was written lately; a pod that has ended is not read again."""
    api_server.answers[f"{RAYJOBS}/s-1"] = [*[rayjob("Running")] * 3, rayjob("Complete")]
    one, two = pod("s-1-x", "Failed"), pod("s-1-y", "Running")
    api_server.answers[f"{CORE}/pods"] = [{"items": [one, two]}]
    api_server.answers[f"{CORE}/pods/s-1-x/log"] = [stamped("lost\n")]
    logs = [stamped("one\ntwo\n"), stamped("two\nthree\n", first=1), stamped("three\n", first=2)]
    api_server.answers[f"{CORE}/pods/s-1-y/log"] = logs
    reported = [line for line in follow().splitlines() if not line.startswith("[kubernetes]")]
    assert reported == ["lost", "one", "two", "three"]
    asked = [(path, query.get("sinceSeconds")) for path, query in api_server.queries if path.endswith("/log")]
    assert [seconds is not None for path, seconds in asked if path.endswith("s-1-y/log")] == [False, True, True, True]
    assert [seconds for path, seconds in asked if path.endswith("s-1-x/log")] == [None]


def test_the_output_of_a_driver_is_read_immediately(api_server):
    """The output so far is that of all attempts in their order, without the lines about exit codes."""
    first, second = pod("s-1-a", "Succeeded"), pod("s-1-b", "Failed")
    first["metadata"]["creationTimestamp"] = "2026-01-01T00:05:00Z"
    second["metadata"]["creationTimestamp"] = "2026-01-01T00:01:00Z"
    api_server.answers[f"{CORE}/pods"] = [{"items": [first, second]}]
    api_server.answers[f"{CORE}/pods/s-1-a/log"] = [stamped("resumed\n[tunepipe] exit code 3\n")]
    api_server.answers[f"{CORE}/pods/s-1-b/log"] = [stamped("began\n")]
    assert output(Kubernetes(None, "tunepipe"), rayjob("Running")) == "began\nresumed\n"


def test_an_ended_rayjob_is_not_judged_by_old_events(api_server):
    """A RayJob that has ended prints its log although an event says that a pod of it was refused."""
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Complete")]
    api_server.answers[f"{CORE}/events"] = [{"items": [event("s-1", "exceeded quota: gpus")]}]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("s-1-x", "Succeeded")]}]
    api_server.answers[f"{CORE}/pods/s-1-x/log"] = [stamped("one\n")]
    assert follow() == "[kubernetes] s-1: Complete\none\n"


def test_a_study_in_a_service_mesh_is_followed_to_its_end(api_server):
    """A study is followed despite a container of a service mesh that starts earlier, ends later and has its own log."""
    log = f"{CORE}/pods/s-1-x/log"
    template = {"spec": {"containers": [{"name": "submitter"}]}}
    jobs = [rayjob("Running"), rayjob("Running"), rayjob("Complete", jobStatus="SUCCEEDED")]
    for each in jobs:
        each["spec"]["submitterPodTemplate"] = template
    state = {"name": "submitter", "image": "x:1", "imageID": "", "ready": False, "restartCount": 0}
    ended = {**state, "state": {"terminated": {"exitCode": 0}}}
    running = pod("s-1-x", "Running", containers=["proxy", "submitter"])
    over = pod("s-1-x", "Running", containers=["proxy", "submitter"], containerStatuses=[ended])
    api_server.answers[f"{RAYJOBS}/s-1"] = jobs
    api_server.answers[f"{CORE}/pods"] = [{"items": [running]}] * 4 + [{"items": [over]}]
    api_server.answers[log] = [stamped("one\n"), stamped("one\ntwo\nhalf a li")]
    reported = follow()
    assert [line for line in reported.splitlines() if "[kubernetes]" not in line] == ["one", "two", "half a li"]
    assert {query["container"] for path, query in api_server.queries if path == log} == {"submitter"}


def test_the_end_of_an_output_is_not_held_back(api_server):
    """What a driver prints last is printed although the pod that submits still runs when its RayJob has ended."""
    trace = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\nValueError: no\n'
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Running"), rayjob("Failed")]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("s-1-x", "Running")]}]
    api_server.answers[f"{CORE}/pods/s-1-x/log"] = [stamped(trace)]
    assert trace in follow()


def test_a_study_is_followed_without_the_right_to_list_events(api_server):
    """A study is followed to its end by a user who may not list events."""
    api_server.unread[f"{CORE}/events"] = (403, 'events is forbidden: User "ana" cannot list resource "events"')
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Running"), rayjob("Complete", jobStatus="SUCCEEDED")]
    assert "s-1: Complete" in follow()


def test_renewed_credentials_are_read_while_a_study_is_followed(api_server):
    """If the server no longer accepts the credentials, they are read again once; then it is an error."""
    path = f"{RAYJOBS}/s-1"
    api_server.answers[path] = [rayjob("Running"), rayjob("Complete")]
    api_server.expired[path] = 1
    assert "s-1: Complete" in follow()
    api_server.expired[path] = 2
    with pytest.raises(ClusterError, match="does not accept the credentials"):
        follow()
