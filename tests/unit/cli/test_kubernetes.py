"""A study as a RayJob, on the command line."""

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.cli.kubernetes import Target
from pipeline.cluster import download_results
from pipeline.cluster.rayjob import rayjob_template
from pipeline.errors import InvalidJob
from tests.hostile.command import tunepipe
from tests.unit.cluster.kubernetes_server import CORE, RAYJOBS, ApiServer, answering, pod, rayjob, stamped
from tests.unit.results.studies import Recording, every_domain_study

SUBMIT = ["submit", "beale", "--kubernetes", "--storage", "/studies"]


@pytest.fixture
def api_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """A server, and a kubeconfig that names it; the test is in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    with answering(tmp_path, monkeypatch) as server:
        yield server


def _target(**changes: Any) -> Target:
    fields = {"context": None, "namespace": None, "image": None, "overlay": "dev", "wait_pods": 60.0, "to": Path()}
    return Target(**{**fields, **changes})


@pytest.mark.parametrize(
    "changes", [{}, {"namespace": "a"}, {"namespace": "a-1"}, {"image": "x/y:1"}, {"wait_pods": 0}]
)
def test_a_target_has_names_that_a_server_takes(changes: dict[str, Any]) -> None:
    """A cluster target with a valid namespace, a valid image and seconds of at least 0 is accepted."""
    assert _target(**changes)


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"namespace": "Mine_"}, ["--namespace"]),
        ({"namespace": "-a"}, ["--namespace"]),
        ({"namespace": "a" * 64}, ["--namespace"]),
        ({"image": ""}, ["--image"]),
        ({"image": "a b"}, ["--image"]),
        ({"wait_pods": float("nan")}, ["--wait-pods"]),
        ({"wait_pods": -1.0}, ["--wait-pods"]),
        ({"namespace": "", "image": "", "wait_pods": float("inf")}, ["--namespace", "--image", "--wait-pods"]),
    ],
)
def test_all_mistakes_of_a_target_are_reported_together(changes: dict[str, Any], options: list[str]) -> None:
    """All mistakes of a cluster target are reported together, by option."""
    with pytest.raises(InvalidJob) as refused:
        _target(**changes)
    assert [fault.field for fault in refused.value.faults] == options


def test_a_dry_run_prints_the_yaml_and_the_plan_beside_it() -> None:
    """A dry run prints the RayJob as YAML to stdout and the plan of the cluster to stderr."""
    words = ["--dry-run", "--gpus-per-trial", "0.5", "--set", "searcher=sobol", "--name", "mine"]
    printed = tunepipe(*SUBMIT, *words)
    (job,) = yaml.safe_load_all(printed.output)
    assert (printed.code, job["metadata"]["name"]) == (0, "mine-1")
    assert "--name mine --set searcher=sobol --set resources.gpus=0.5 --workers 32" in job["spec"]["entrypoint"]
    assert "autoscaling may reach 16 GPUs" in printed.errors


def test_a_dry_run_as_json_is_one_object() -> None:
    """The JSON of a dry run is a list of the objects that a submission would apply."""
    (job,) = json.loads(tunepipe(*SUBMIT, "--dry-run", "--json").output)
    assert job["kind"] == "RayJob"


def test_a_study_is_submitted_and_followed_to_its_end(api_server: ApiServer) -> None:
    """A submission to Kubernetes prints the study's output and exits with the study's exit code."""
    name, failed = "beale-1", "Job entrypoint command failed with exit code 3, last logs"
    ended = rayjob("Failed", name, jobStatus="FAILED", message=failed)
    head = {"template": {"spec": {"containers": [{"name": "head"}]}}}
    ended["spec"] = {"rayClusterSpec": {"headGroupSpec": head}}
    api_server.answers[f"{RAYJOBS}/{name}"] = [rayjob("Running", name), ended]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod(f"{name}-x", "Running")]}]
    api_server.answers[f"{CORE}/pods/{name}-x/log"] = ["a line of the driver\n"]
    printed = tunepipe(*SUBMIT, "--overlay", "local-cpu")
    assert printed.code == 3, printed.errors
    assert "a line of the driver\n" in printed.output
    assert f"RayJob {name} in namespace tunepipe" in printed.errors
    ((path, applied),) = api_server.posted
    assert path.startswith(RAYJOBS)
    assert applied["metadata"]["name"] == name


def test_a_submission_that_is_not_followed_prints_its_name(api_server: ApiServer) -> None:
    """`submit --detach` prints how to follow and stop the study, what is left of it, and as JSON its names."""
    printed = tunepipe(*SUBMIT, "--overlay", "local-cpu", "--detach", "--json")
    assert json.loads(printed.output) == {
        "submission": "beale-1",
        "study": "beale",
        "storage": "/studies",
        "namespace": "tunepipe",
        "exit_code": None,
    }
    assert "`tunepipe stop beale-1 --kubernetes --namespace tunepipe` stops it" in printed.errors
    assert "Its Ray cluster is deleted 10 min after the study's end; the RayJob" in printed.errors


def test_a_rayjob_is_stopped_by_the_name_of_its_study(api_server: ApiServer) -> None:
    """`tunepipe stop NAME --kubernetes` deletes the RayJob with that name."""
    going = {"items": [rayjob("Running", "beale-2")]}
    api_server.answers[RAYJOBS] = [going, going, {"items": []}]
    api_server.answers[f"{RAYJOBS}/beale-2"] = [rayjob("Running", "beale-2")]
    printed = tunepipe("stop", "beale-2", "--kubernetes")
    assert printed.code == 0, printed.errors
    assert api_server.deleted == [f"{RAYJOBS}/beale-2"]


def test_status_lists_rayjobs_and_why_they_wait(api_server: ApiServer) -> None:
    """`status --kubernetes` prints a table of RayJobs and why one waits, and --json has the same state and message."""
    job = rayjob("Initializing", "beale-2")
    job["metadata"] |= {"labels": {"tunepipe/study": "beale"}, "annotations": {"tunepipe/storage": "/studies"}}
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}
    api_server.answers[RAYJOBS] = [{"items": [job]}]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("beale-2-x", conditions=[unscheduled])]}]
    printed = tunepipe("status", "--kubernetes")
    assert printed.code == 0, printed.errors
    assert "beale-2" in printed.output
    assert "pod beale-2-x waits for a node: 0/2 nodes are available" in printed.output
    (found,) = json.loads(tunepipe("status", "beale", "--kubernetes", "--json").output)
    assert (found["submission"], found["study"], found["state"]) == ("beale-2", "beale", "initializing")
    assert found["message"] == "pod beale-2-x waits for a node: 0/2 nodes are available"
    event = {"metadata": {"name": "e"}, "involvedObject": {"name": "beale-2"}, "message": "exceeded quota: gpus"}
    api_server.answers[f"{CORE}/pods"] = [{"items": []}]
    api_server.answers[f"{CORE}/events"] = [{"items": [event]}]
    assert "beale-2: the quota of the namespace 'tunepipe' has no" in tunepipe("status", "--kubernetes").output
    refused = tunepipe("status", "--kubernetes", "--address", "http://x")
    assert (refused.code, "--address goes without --kubernetes only" in refused.errors) == (2, True)


def test_a_mistake_that_only_the_cluster_finds_ends_with_its_exit_code(api_server: ApiServer) -> None:
    """A mistake that only the driver finds ends submit with exit code 2, and no results are copied."""
    api_server.answers[f"{RAYJOBS}/beale-1"] = [
        rayjob("Running", "beale-1"),
        rayjob("Complete", "beale-1", jobStatus="STOPPED"),
    ]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("beale-1-x", "Succeeded")]}]
    api_server.answers[f"{CORE}/pods/beale-1-x/log"] = ["tunepipe: a mistake\n[tunepipe] exit code 2\n"]
    printed = tunepipe(*SUBMIT, "--overlay", "local-cpu")
    assert (printed.code, printed.output.count("a mistake")) == (2, 1), printed.errors
    assert "copied" not in printed.errors
    assert [path for path, _ in api_server.posted if path.endswith("/pods")] == []


def test_a_mistake_whose_log_is_gone_is_no_success(api_server: ApiServer) -> None:
    """Where the driver's output is gone, submit says in words that a study did not succeed, and ends with code 4."""
    stopped = rayjob("Complete", "beale-1", jobStatus="STOPPED")
    api_server.answers[f"{RAYJOBS}/beale-1"] = [rayjob("Running", "beale-1"), stopped]
    printed = tunepipe(*SUBMIT, "--overlay", "local-cpu")
    assert printed.code == 4
    assert "did not succeed: a mistake ended it, or no trial succeeded, or it was stopped" in printed.errors


def test_a_rayjob_that_can_never_start_is_deleted(api_server: ApiServer) -> None:
    """A RayJob whose image does not exist is deleted, with the reason and exit code 2."""
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    state = {"name": "c", "image": "x:1", "imageID": "", "ready": False, "restartCount": 0, "state": waiting}
    api_server.answers[f"{RAYJOBS}/beale-1"] = [rayjob("Initializing", "beale-1")]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod(containerStatuses=[state])]}]
    printed = tunepipe(*SUBMIT, "--overlay", "local-cpu")
    assert printed.code == 2
    assert "The image 'x:1' of pod p cannot be pulled" in printed.errors
    assert "The RayJob beale-1 was deleted." in printed.errors
    assert api_server.deleted == [f"{RAYJOBS}/beale-1"]


def test_a_rayjob_of_another_owner_is_kept(api_server: ApiServer) -> None:
    """If submit attaches to an existing RayJob that cannot start, it prints the reason and keeps the RayJob."""
    found = rayjob("Initializing", "beale-1", rayClusterName="c")
    found["metadata"]["annotations"] = {"tunepipe/storage": "/studies"}
    api_server.answers[RAYJOBS] = [{"items": [found]}]
    api_server.answers[f"{RAYJOBS}/beale-1"] = [found]
    event = {"metadata": {"name": "e"}, "involvedObject": {"name": "c"}, "message": "violates PodSecurity"}
    api_server.answers[f"{CORE}/events"] = [{"items": [event]}]
    printed = tunepipe(*SUBMIT, "--overlay", "local-cpu")
    assert printed.code == 2
    assert "violates PodSecurity" in printed.errors
    assert api_server.deleted == []


def test_a_study_that_waits_for_a_quota_is_kept(api_server: ApiServer) -> None:
    """If a quota has no room within --wait-pods, submit ends with exit code 2 and keeps the RayJob, which may start."""
    amounts = "requested: pods=1, used: pods=4, limited: pods=4"
    message = f'pods "beale-1-head" is forbidden: exceeded quota: tunepipe, {amounts}'
    event = {"metadata": {"name": "e"}, "involvedObject": {"name": "c"}, "message": message}
    api_server.answers[f"{RAYJOBS}/beale-1"] = [rayjob("Initializing", "beale-1", rayClusterName="c")]
    api_server.answers[f"{CORE}/events"] = [{"items": [event]}]
    printed = tunepipe(*SUBMIT, "--overlay", "local-cpu", "--wait-pods", "0")
    assert printed.code == 2
    assert f"exceeded quota: tunepipe, {amounts}. The RayJob was not deleted." in " ".join(printed.errors.split())
    assert api_server.deleted == []


def test_a_queue_and_a_priority_are_for_kueue() -> None:
    """--queue and --priority are refused without a queue in the overlay, and with names that Kubernetes refuses."""
    assert "has no queue" in tunepipe(*SUBMIT, "--dry-run", "--priority", "tunepipe-low").errors
    assert "--priority" in tunepipe(*SUBMIT, "--dry-run", "--priority", "Much").errors
    assert "has no queue" in tunepipe(*SUBMIT, "--dry-run", "--queue", "team-a").errors
    assert "--queue: must be the name of a LocalQueue" in tunepipe(*SUBMIT, "--dry-run", "--queue", "Team A").errors


def _of_beale(state: str = "Running", storage: str = "/studies", **status: Any) -> dict[str, Any]:
    job = rayjob(state, "beale-1", **status)
    job["spec"] = rayjob_template("local-cpu")["spec"]
    job["metadata"] |= {
        "labels": {"tunepipe/study": "beale"},
        "annotations": {"tunepipe/storage": storage, "tunepipe/submitted-by": "ana@laptop"},
    }
    return job


def test_the_second_user_of_a_name_reads_whose_study_it_is(api_server: ApiServer) -> None:
    """A submission that attaches to another user's study names that user, and `status` lists who submitted it."""
    api_server.answers[RAYJOBS] = [{"items": [_of_beale()]}]
    printed = tunepipe(*SUBMIT, "--overlay", "local-cpu", "--detach")
    assert "already running as RayJob beale-1, submitted by ana@laptop at 202" in printed.errors
    assert api_server.posted == []
    (found,) = json.loads(tunepipe("status", "beale", "--kubernetes", "--json").output)
    assert found["submitter"] == "ana@laptop"


@pytest.mark.parametrize("named", ["beale", "beale-1"])
def test_the_output_of_a_driver_is_printed(api_server: ApiServer, named: str) -> None:
    """`logs --kubernetes` prints what a driver has printed so far, of a running study and of one that ended."""
    api_server.answers[RAYJOBS] = [{"items": [_of_beale()]}]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("beale-1-x", "Running")]}]
    api_server.answers[f"{CORE}/pods/beale-1-x/log"] = [stamped("0:10  |  2 running\n\x1b[2Jhalf a li")]
    printed = tunepipe("logs", named, "--kubernetes")
    assert (printed.code, printed.output) == (0, "0:10  |  2 running\n"), printed.errors
    api_server.answers[RAYJOBS] = [{"items": [_of_beale("Complete")]}]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("beale-1-x", "Succeeded")]}]
    assert tunepipe("logs", named, "--kubernetes").output.endswith("\n\\x1b[2Jhalf a li")
    assert tunepipe("logs", named, "--kubernetes", "--raw").output.endswith("\n\x1b[2Jhalf a li")


def test_a_driver_that_has_printed_nothing_says_why(api_server: ApiServer) -> None:
    """`logs --kubernetes` of a study that waits prints the reason to stderr and nothing to stdout."""
    api_server.answers[RAYJOBS] = [{"items": [_of_beale("Initializing")]}]
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("beale-1-head", conditions=[unscheduled])]}]
    printed = tunepipe("logs", "beale", "--kubernetes")
    assert (printed.code, printed.output) == (0, "")
    assert "beale-1 has printed nothing: pod beale-1-head waits for a node: 0/2 nodes" in printed.errors
    api_server.answers[f"{CORE}/pods"] = [{"items": []}]
    api_server.answers[RAYJOBS] = [{"items": [_of_beale("")]}]
    printed = tunepipe("logs", "beale", "--kubernetes")
    assert "`kubectl get deployment -A` shows whether it runs.\n" in printed.errors
    missing = tunepipe("logs", "mine", "--kubernetes")
    assert (missing.code, "There are beale-1" in missing.errors) == (2, True)


def test_a_driver_is_followed_to_its_end(api_server: ApiServer) -> None:
    """`logs --follow --kubernetes` prints what follows until the study ends, and exits with its exit code."""
    failed = "Job entrypoint command failed with exit code 3, last logs"
    api_server.answers[RAYJOBS] = [{"items": [_of_beale()]}]
    api_server.answers[f"{RAYJOBS}/beale-1"] = [_of_beale(), _of_beale("Failed", message=failed)]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("beale-1-x", "Running")]}]
    api_server.answers[f"{CORE}/pods/beale-1-x/log"] = [stamped("one\n"), stamped("one\ntwo\n")]
    printed = tunepipe("logs", "beale", "--follow", "--kubernetes")
    assert printed.code == 3, printed.errors
    assert [line for line in printed.output.splitlines() if "[kubernetes]" not in line] == ["one", "two"]


def test_logs_of_trials_are_in_the_copied_study(api_server: ApiServer) -> None:
    """`logs --trial --kubernetes` is refused with the command that copies the logs of trials."""
    refused = tunepipe("logs", "beale", "--trial", "0", "--kubernetes")
    assert refused.code == 2
    assert "`tunepipe results beale --kubernetes`" in refused.errors


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recording:
    """A study on a volume, which a pod of the server reads."""
    study = every_domain_study(tmp_path / "volume", trials=2)

    @contextmanager
    def running(*_: Any) -> Iterator[None]:
        yield

    def read_study(_core: Any, _pod: Any, storage: str, name: str, archive: Path) -> None:
        assert (storage, name) == ("/studies", study.job.name)
        with tarfile.open(archive, "w") as packed:
            packed.add(study.root / name, name)

    monkeypatch.setattr(download_results, "reader_pod", running)
    monkeypatch.setattr(download_results, "read_study", read_study)
    return study


def test_results_are_copied_from_a_volume_and_shown(api_server: ApiServer, volume: Recording, tmp_path: Path) -> None:
    """`results --kubernetes` copies a study from the volume to --to, says so, and shows it as if it were here."""
    name = volume.job.name
    job = _of_beale()
    job["metadata"]["annotations"]["tunepipe/study-name"] = name
    api_server.answers[RAYJOBS] = [{"items": [job]}]
    printed = tunepipe("results", "beale-1", "--kubernetes", "--to", "mine", "--json")
    assert printed.code == 0, printed.errors
    assert json.loads(printed.output)["study"] == name
    assert f"was copied to mine/{name}" in printed.errors
    assert tunepipe("results", f"mine/{name}", "--json").output == printed.output
    watched = tunepipe("results", name, "--kubernetes", "--watch")
    assert (watched.code, "`tunepipe logs" in watched.errors) == (2, True)


def test_results_of_a_deleted_rayjob_are_read_by_an_overlays_pod(api_server: ApiServer, volume: Recording) -> None:
    """`results --kubernetes` of a study without a RayJob needs --storage and --overlay, and copies it then."""
    command = ["results", volume.job.name, "--kubernetes", "--storage", "/studies"]
    refused = tunepipe(*command)
    assert (refused.code, "--storage and --overlay" in refused.errors) == (2, True)
    printed = tunepipe(*command, "--overlay", "local-cpu", "--json")
    assert printed.code == 0, printed.errors
    assert len(json.loads(printed.output)["trials"]) == 2
