"""A study that is submitted as a RayJob, on the command line."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

import tune_jobs
from pipeline.cli import submit_rayjob
from pipeline.cli.submit_rayjob import Target
from pipeline.cluster.following import NeverStarts
from pipeline.cluster.overlays import rendered
from pipeline.errors import InvalidJob
from pipeline.storage import Store
from pipeline.study.files import save_study
from tests.hostile.command import tunepipe
from tests.unit.cli.beale_rayjob import of_beale
from tests.unit.cluster.kubernetes_server import CORE, RAYJOBS, ApiServer, pod, rayjob
from tests.unit.cluster.test_deleted_rayjob import with_session

SUBMIT = ["submit", "beale", "--kubernetes", "--storage", "/studies"]


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
    assert "autoscaling up to 16 GPUs" in printed.errors


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of this machine that the pods of each overlay mount, too."""

    def with_share(overlay: str) -> list[dict[str, Any]]:
        objects = rendered(overlay)
        cluster = next(each for each in objects if each["kind"] == "RayJob")["spec"]["rayClusterSpec"]
        for node in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
            spec = node["template"]["spec"]
            spec["volumes"].append({"name": "share", "nfs": {"server": "a", "path": "/"}})
            spec["containers"][0]["volumeMounts"].append({"name": "share", "mountPath": str(tmp_path)})
        return objects

    monkeypatch.setattr("pipeline.cluster.overlays.rendered", with_share)
    return tmp_path


@pytest.fixture
def stored(share: Path) -> Path:
    """A storage that this machine reads, with the study beale: other resources and a smaller budget than the job's."""
    changes = {"resources.gpus": 0.5, "resources.workers": 3, "budget.trials": 6}
    save_study(Store(share).folder("beale"), tune_jobs.find("beale").replaced(changes))
    return share


def test_a_study_that_is_resumed_is_planned_with_its_own_resources(stored: Path) -> None:
    """The plan of a study in a storage that can be read has the resources and budget that its resume keeps."""
    words = ["submit", "beale", "--kubernetes", "--dry-run", "--storage", str(stored)]
    printed = tunepipe(*words)
    (job,) = yaml.safe_load_all(printed.output)
    # The number of workers is not kept: `submit` sets it to as many as the overlay has pods for.
    assert "6 trials in parallel (maximum 6); autoscaling up to 3 GPUs" in printed.errors
    assert job["spec"]["entrypoint"].endswith("--workers 6")
    assert "The study keeps its own resources unless an option changes it: gpus 0.5, not 0" in printed.errors
    changed = tunepipe(*words, "--gpus-per-trial", "1", "--trials", "2")
    assert "2 trials in parallel (maximum 2); autoscaling up to 2 GPUs" in changed.errors
    assert "keeps its own" not in changed.errors


def test_a_storage_that_cannot_be_read_is_planned_with_the_job_s_resources(stored: Path) -> None:
    """A study that cannot be read from here is planned with the resources of the job, with a note that says why."""
    (stored / "beale/study.json").write_text("{")
    printed = tunepipe(
        "submit", "beale", "--kubernetes", "--dry-run", "--storage", str(stored), "--overlay", "local-cpu"
    )
    assert printed.code == 0
    assert "The plan has the resources and budget of the job" in printed.errors
    assert "study.json" in printed.errors
    assert "autoscaling up to 2 pods" in printed.errors


def test_a_dry_run_as_json_is_one_object() -> None:
    """The JSON of a dry run is a list of the objects that a submission would apply."""
    (job,) = json.loads(tunepipe(*SUBMIT, "--dry-run", "--json").output)["items"]
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
    assert "Its Ray cluster is deleted at the study's end; the RayJob" in printed.errors


@pytest.mark.parametrize(
    ("change", "waits"),
    [
        ([], "If it cannot start, it waits for up to 14.0 days: "),
        (
            [{"op": "add", "path": "/spec/preRunningDeadlineSeconds", "value": 3600}],
            "If it cannot start, it waits for 60 min in each of 4 tries for its head, and then for up to 14.0 days for "
            "workers: ",
        ),
        (
            [{"op": "remove", "path": "/spec/activeDeadlineSeconds"}],
            "If it cannot start, it waits without a limit: ",
        ),
    ],
)
def test_a_study_that_cannot_start_can_be_ended(
    api_server: ApiServer, tmp_path: Path, change: list[dict[str, Any]], waits: str
) -> None:
    """`submit --detach` prints how long a study waits that cannot start, and the commands that show why and end it."""
    folder = (tmp_path / "study").resolve()
    folder.mkdir()
    kustomization = {
        "resources": [os.path.relpath(Path(__file__).parents[3] / "k8s/overlays/local-cpu/study", folder)],
        "patches": [{"target": {"kind": "RayJob"}, "patch": yaml.safe_dump(change)}] if change else [],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    printed = " ".join(tunepipe(*SUBMIT, "--overlay", str(tmp_path), "--detach").errors.split())
    where = "beale-1 --kubernetes --namespace tunepipe"
    assert f"{waits}`tunepipe status {where}` prints what it waits for" in printed
    assert f"`tunepipe stop {where}` ends it." in printed


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
    assert "did not succeed: an error in the job ended it, or no trial succeeded, or it was stopped" in printed.errors


@pytest.mark.parametrize(("state", "code"), [("finished", 0), ("failed", 4), ("interrupted", 2)])
def test_a_rayjob_that_its_operator_deletes_at_its_end(
    api_server: ApiServer, share: Path, state: str, code: int
) -> None:
    """Where an operator deletes the RayJob at its end, submit reads that in the storage, with the study's exit code."""
    storage = with_session(share, state=state, message="no disk", heartbeat=datetime.now(UTC).isoformat())
    api_server.gone.add(f"{RAYJOBS}/beale-1")
    printed = tunepipe("submit", "beale", "--kubernetes", "--storage", storage, "--overlay", "local-cpu")
    assert printed.code == code, printed.errors
    assert ("DELETE_RAYJOB_CR_AFTER_JOB_FINISHES" in printed.errors) is (code != 0)


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
    assert "`tunepipe stop beale-1 --kubernetes --namespace tunepipe` deletes it." in printed.errors
    assert api_server.deleted == []


def test_the_reason_is_reported_without_a_rayjob_that_another_owner_deletes(
    api_server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If an existing RayJob that cannot start is deleted meanwhile, the reason is reported, and that there is none."""
    found = rayjob("Initializing", "beale-1")
    found["metadata"]["annotations"] = {"tunepipe/storage": "/studies"}
    api_server.answers[RAYJOBS] = [{"items": [found]}]

    def never_starts(*_: Any, **__: Any) -> int:
        api_server.gone.add(f"{RAYJOBS}/beale-1")
        raise NeverStarts("The image 'x:1' cannot be pulled.")

    monkeypatch.setattr(submit_rayjob, "print_until_end", never_starts)
    printed = tunepipe(*SUBMIT, "--overlay", "local-cpu")
    assert printed.code == 2
    assert "The image 'x:1' cannot be pulled. " in printed.errors
    assert "beale-1" in printed.errors.partition("cannot be pulled. ")[2]
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
    assert f"exceeded quota: tunepipe, {amounts}. The RayJob waits without a limit; `tunepipe stop" in " ".join(
        printed.errors.split()
    )
    assert api_server.deleted == []


def test_a_queue_and_a_priority_are_for_kueue() -> None:
    """--queue and --priority are refused without a queue in the overlay, and with names that Kubernetes refuses."""
    assert "has no queue" in tunepipe(*SUBMIT, "--dry-run", "--priority", "tunepipe-low").errors
    assert "--priority" in tunepipe(*SUBMIT, "--dry-run", "--priority", "Much").errors
    assert "has no queue" in tunepipe(*SUBMIT, "--dry-run", "--queue", "team-a").errors
    assert "--queue: must be the name of a LocalQueue" in tunepipe(*SUBMIT, "--dry-run", "--queue", "Team A").errors


def test_the_second_user_of_a_name_reads_whose_study_it_is(api_server: ApiServer) -> None:
    """A submission that attaches to another user's study names that user, and `status` lists who submitted it."""
    api_server.answers[RAYJOBS] = [{"items": [of_beale()]}]
    printed = tunepipe(*SUBMIT, "--overlay", "local-cpu", "--detach")
    assert "already running as RayJob beale-1, submitted by ana@laptop at 202" in printed.errors
    assert api_server.posted == []
    (found,) = json.loads(tunepipe("status", "beale", "--kubernetes", "--json").output)["submissions"]
    assert found["submitter"] == "ana@laptop"
