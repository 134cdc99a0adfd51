"""`submit`, `status`, `logs`, `stop` and `results --kubernetes` with servers on loopback."""

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

import tune_jobs
from pipeline.cluster import download
from pipeline.cluster.rayjob import rayjob_template
from pipeline.errors import JobNotFound
from pipeline.storage import Store
from pipeline.study.files import save_study
from tests.command import rows_of, tunepipe
from tests.kubernetes_server import CORE, RAYJOBS, ApiServer, answering, pod, rayjob
from tests.recorded_studies import Recording, every_domain_study

ON_KUBERNETES = ["submit", "beale", "--kubernetes", "--storage", "/studies"]
SUBMIT = [*ON_KUBERNETES, "--values", "local-cpu"]
ON_RAY = ["submit", "beale", "--storage", "/s", "--address", "http://x"]
JOB, PODS, EVENTS = f"{RAYJOBS}/beale-1", f"{CORE}/pods", f"{CORE}/events"
LOG = f"{PODS}/beale-1-x/log"
FORBIDDEN = {"items": [{"involvedObject": {"name": "c"}, "message": "violates PodSecurity"}]}


def of_beale(state: str = "Running", storage: str = "/studies", name: str = "beale-1", **status: Any) -> dict[str, Any]:
    return {**rayjob(state, name, storage, **status), "spec": rayjob_template("local-cpu")["spec"]}


@pytest.fixture
def api_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """A server, and a kubeconfig that names it; the test is in a separate folder."""
    monkeypatch.chdir(tmp_path)
    with answering(tmp_path, monkeypatch) as server:
        yield server


@pytest.fixture
def beale(api_server: ApiServer) -> ApiServer:
    """A server on which the study runs, and whose pod prints a line."""
    api_server.answers |= {
        RAYJOBS: [{"items": [of_beale()]}],
        JOB: [of_beale()],
        PODS: [{"items": [pod("beale-1-x", "Running")]}],
        LOG: ["one\n"],
    }
    return api_server


@pytest.mark.parametrize(("words", "reported"), [
    (["submit", "beale", "--storage", "studies", "--address", "http://x"], "--storage"),
    (["submit", "beale", "--storage", "/studies"], "--address http://HOST:8265"),
    ([*ON_RAY, "--trials", "0"], "budget.trials"),
    ([*ON_RAY, "--start-from", "x"], "no study 'x'"),
    ([*ON_RAY, "--dry-run"], "only with --kubernetes: --dry-run"),
    (ON_KUBERNETES, "needs --values"),
    ([*ON_RAY, "--image", "i", "--values", "prod-gpu"], "only with --kubernetes: --image, --values"),
    (["stop", "x", "--context", "c"], "only with --kubernetes: --context"),
    (["stop", "x", "--kubernetes", "--address", "http://x"], "give one of them"),
    (["stop", "x", "--address", "http://ana:secret@x"], "http://HOST:8265"),
    (["stop", "x", "--trial", "1", "--kubernetes"], "--trial stops a trial of a study in a storage"),
    (["logs", "x", "--trial", "0", "--kubernetes"], "`tunepipe results x --kubernetes`"),
    (["status"], "RAY_API_SERVER_ADDRESS"),
])  # fmt: skip
def test_mistakes_are_reported_before_a_cluster_is_asked(
    words: list[str], reported: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    refused = tunepipe(*words)
    assert refused.code == 2
    assert reported in " ".join(refused.errors.split())
    assert "secret" not in refused.errors


def test_ctrl_c_ends_the_output_and_not_the_study(beale: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def follow(*_: Any, **__: Any) -> Iterator[str]:
        yield "epoch 1\n"
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.cluster.rayjobs.RayJobs.follow", follow)
    printed = tunepipe("logs", "beale", "--follow", "--kubernetes")
    assert (printed.code, printed.output) == (130, "epoch 1\n")
    for command in ("tunepipe logs beale-1 --follow", "tunepipe stop beale-1"):
        assert f"`{command} --kubernetes --namespace tunepipe`" in printed.errors


def test_a_dry_run_prints_the_manifests_and_the_plan_beside_them() -> None:
    words = ["--dry-run", "--gpus-per-trial", "0.5", "--set", "searcher=sobol", "--name", "mine"]
    printed = tunepipe(*ON_KUBERNETES, "--values", "prod-gpu", *words)
    (job,) = yaml.safe_load_all(printed.output)
    assert (printed.code, job["metadata"]["name"]) == (0, "mine-1")
    assert "--gpus-per-trial 0.5 --name mine --set searcher=sobol --workers 32" in job["spec"]["entrypoint"]
    assert "autoscaling up to 16 GPUs" in printed.errors


def test_a_study_that_is_resumed_is_planned_with_its_own_resources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = tmp_path / "share"
    monkeypatch.setattr("pipeline.cluster.rayjob.check_storage_is_kept", lambda *_: None)
    changes = {"resources.gpus": 0.5, "resources.workers": 3, "budget.trials": 6}
    save_study(Store(share).folder("beale"), tune_jobs.find("beale").replaced(changes))
    words = ["submit", "beale", "--kubernetes", "--dry-run", "--values", "prod-gpu", "--storage", str(share)]
    printed = tunepipe(*words)
    (job,) = yaml.safe_load_all(printed.output)
    # The number of workers is not kept: `submit` sets it to as many as there are pods for.
    assert "6 trials in parallel (maximum 6); autoscaling up to 3 GPUs" in printed.errors
    assert job["spec"]["entrypoint"].endswith("--workers 6")
    changed = tunepipe(*words, "--gpus-per-trial", "1", "--trials", "2")
    assert "2 trials in parallel (maximum 2); autoscaling up to 2 GPUs" in changed.errors
    (share / "beale/study.json").write_text("{")
    unreadable = tunepipe(*words, "--values", "local-cpu")
    assert unreadable.code == 0
    assert "study.json" in unreadable.errors
    assert "autoscaling up to 2 pods" in unreadable.errors


@pytest.mark.parametrize("storage", ["s3://b", "/studies"])
def test_a_study_is_submitted_and_followed_to_its_end(api_server: ApiServer, volume: Recording, storage: str) -> None:
    """Without an epoch, its driver has removed it: there is nothing to copy from a volume, and no second error."""
    ended = of_beale("Failed", storage, jobStatus="FAILED")
    api_server.answers[JOB] = [of_beale("Running", storage), ended]
    api_server.answers[PODS] = [{"items": [pod("beale-1-x", "Running")]}]
    api_server.answers[LOG] = ["a line of the driver\n[tunepipe] exit code 3\n"]
    printed = tunepipe("submit", "beale", "--kubernetes", "--storage", storage, "--values", "local-cpu")
    assert (printed.code, printed.output.count("a line of the driver\n")) == (3, 1), printed.errors
    assert printed.errors.endswith("was submitted as beale-1 in namespace 'tunepipe'.\n")
    ((path, applied),) = api_server.posted
    assert path.startswith(RAYJOBS)
    assert applied["metadata"]["name"] == "beale-1"


def test_a_submission_that_is_not_followed_says_how_to_follow_it(beale: ApiServer) -> None:
    attached = tunepipe(*SUBMIT, "--detach")
    assert "already running as beale-1" in attached.errors
    assert beale.posted == []
    beale.answers[RAYJOBS] = [{"items": []}]
    printed = tunepipe(*SUBMIT, "--detach")
    assert (printed.code, printed.output, len(beale.posted)) == (0, "", 1)
    assert "`tunepipe stop beale-1 --kubernetes --namespace tunepipe` stops it" in " ".join(printed.errors.split())


def test_a_rayjob_that_can_never_start_is_deleted_by_submit_alone(api_server: ApiServer) -> None:
    stuck = of_beale("Initializing", rayClusterName="c")
    api_server.answers |= {JOB: [stuck], RAYJOBS: [{"items": [stuck]}], EVENTS: [FORBIDDEN]}
    printed = tunepipe("logs", "beale", "--follow", "--kubernetes")
    assert (printed.code, "violates PodSecurity" in printed.errors) == (2, True)
    assert api_server.deleted == []
    api_server.answers[RAYJOBS] = [{"items": []}]
    printed = tunepipe(*SUBMIT)
    assert printed.code == 2
    assert "violates PodSecurity" in printed.errors
    assert "The RayJob beale-1 was deleted." in printed.errors
    assert api_server.deleted == [JOB]


def test_a_rayjob_is_stopped_by_the_name_of_its_study(beale: ApiServer) -> None:
    beale.answers |= {PODS: [{"items": []}], RAYJOBS: [{"items": [of_beale()]}, {"items": []}]}
    assert tunepipe("stop", "beale", "--kubernetes").code == 0
    assert beale.deleted == [JOB]


def test_status_and_logs_say_why_a_rayjob_waits(beale: ApiServer) -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}
    beale.answers[RAYJOBS] = [{"items": [of_beale("Initializing")]}]
    beale.answers[PODS] = [{"items": [pod("beale-1-head", conditions=[unscheduled])]}]
    waits = "pod beale-1-head waits for a node: 0/2 nodes are available"
    assert waits in tunepipe("status", "--kubernetes").output
    (found,) = rows_of(tunepipe("status", "beale", "--kubernetes", "--json").output, "submissions")
    assert (found["submission"], found["study"], found["state"]) == ("beale-1", "beale", "initializing")
    assert found["message"].startswith(waits)
    printed = tunepipe("logs", "beale", "--kubernetes")
    assert (printed.code, printed.output) == (0, "")
    assert f"beale-1 has printed nothing: {waits}" in printed.errors
    missing = tunepipe("logs", "mine", "--kubernetes")
    assert (missing.code, "Available: beale-1" in missing.errors) == (2, True)


def test_the_output_of_a_driver_is_printed_and_sanitized(beale: ApiServer) -> None:
    beale.answers[LOG] = ["0:10  |  2 running\n\x1b[2Jhalf a li"]
    printed = tunepipe("logs", "beale-1", "--kubernetes")
    assert (printed.code, printed.output) == (0, "0:10  |  2 running\n"), printed.errors
    beale.answers[RAYJOBS] = [{"items": [of_beale("Complete")]}]
    beale.answers[PODS] = [{"items": [pod("beale-1-x", "Succeeded")]}]
    assert tunepipe("logs", "beale-1", "--kubernetes").output.endswith("\n\\x1b[2Jhalf a li")


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recording:
    """A study on a volume, which a pod of the server reads."""
    study = every_domain_study(tmp_path / "volume", trials=2)

    @contextmanager
    def running(*_: Any) -> Iterator[str]:
        yield "p"

    def read_study(_server: Any, _pod: str, storage: str, name: str, archive: Path) -> None:
        if (storage, name) != ("/studies", study.job.name):
            raise JobNotFound(name)
        with tarfile.open(archive, "w") as packed:
            packed.add(study.root / name, name)

    monkeypatch.setattr(download, "reader_pod", running)
    monkeypatch.setattr(download, "read_study", read_study)
    return study


def test_results_are_copied_from_a_volume_and_shown(api_server: ApiServer, volume: Recording) -> None:
    name = volume.job.name
    job = of_beale()
    job["metadata"]["annotations"]["tunepipe/study-name"] = name
    api_server.answers[RAYJOBS] = [{"items": [job]}]
    printed = tunepipe("results", "beale-1", "--kubernetes", "--to", "mine", "--json")
    assert printed.code == 0, printed.errors
    assert json.loads(printed.output)["study"] == name
    assert f"was copied to mine/{name}" in printed.errors
    api_server.answers[RAYJOBS] = [{"items": []}]
    words = ["--storage", "/studies", "--values", "local-cpu", "--json"]
    printed = tunepipe("results", name, "--kubernetes", *words)
    assert len(rows_of(printed.output, "trials")) == 2
