"""RayJobs that exist, on the command line."""

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.cluster import download_results
from tests.hostile.command import tunepipe
from tests.unit.cli.beale_rayjob import of_beale
from tests.unit.cluster.kubernetes_server import CORE, RAYJOBS, ApiServer, pod, rayjob, stamped
from tests.unit.cluster.test_deleted_rayjob import with_session
from tests.unit.results.studies import Recording, every_domain_study


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
    (found,) = json.loads(tunepipe("status", "beale", "--kubernetes", "--json").output)["submissions"]
    assert (found["submission"], found["study"], found["state"]) == ("beale-2", "beale", "initializing")
    assert found["message"].startswith("pod beale-2-x waits for a node: 0/2 nodes are available. The RayJob waits")
    event = {"metadata": {"name": "e"}, "involvedObject": {"name": "beale-2"}, "message": "exceeded quota: gpus"}
    api_server.answers[f"{CORE}/pods"] = [{"items": []}]
    api_server.answers[f"{CORE}/events"] = [{"items": [event]}]
    assert "beale-2: the quota of the namespace 'tunepipe' has no" in tunepipe("status", "--kubernetes").output
    refused = tunepipe("status", "--kubernetes", "--address", "http://x")
    assert (refused.code, "--address goes without --kubernetes only" in refused.errors) == (2, True)


def test_status_calls_no_study_with_a_mistake_a_success(api_server: ApiServer) -> None:
    """`status --kubernetes` says in words that a study did not succeed, where the output with its exit code is gone."""
    ended = of_beale("Complete", jobStatus="STOPPED", message="Job was intentionally stopped.")
    api_server.answers[RAYJOBS] = [{"items": [ended]}]
    api_server.answers[f"{RAYJOBS}/beale-1"] = [ended]
    printed = " ".join(tunepipe("status", "--kubernetes").output.split())
    assert "stopped" in printed
    assert "The study of the RayJob 'beale-1' did not succeed: an error in the job ended it" in printed
    (found,) = json.loads(tunepipe("status", "--kubernetes", "--json").output)["submissions"]
    assert (found["state"], found["exit_code"]) == ("stopped", None)


@pytest.mark.parametrize("named", ["beale", "beale-1"])
def test_the_output_of_a_driver_is_printed(api_server: ApiServer, named: str) -> None:
    """`logs --kubernetes` prints what a driver has printed so far, of a running study and of one that ended."""
    api_server.answers[RAYJOBS] = [{"items": [of_beale()]}]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("beale-1-x", "Running")]}]
    api_server.answers[f"{CORE}/pods/beale-1-x/log"] = [stamped("0:10  |  2 running\n\x1b[2Jhalf a li")]
    printed = tunepipe("logs", named, "--kubernetes")
    assert (printed.code, printed.output) == (0, "0:10  |  2 running\n"), printed.errors
    api_server.answers[RAYJOBS] = [{"items": [of_beale("Complete")]}]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("beale-1-x", "Succeeded")]}]
    assert tunepipe("logs", named, "--kubernetes").output.endswith("\n\\x1b[2Jhalf a li")
    assert tunepipe("logs", named, "--kubernetes", "--raw").output.endswith("\n\x1b[2Jhalf a li")


def test_a_study_in_two_storages_is_chosen_by_its_storage(api_server: ApiServer) -> None:
    """`status` lists a study that runs in two storages, and `logs` and `stop` take the one that --storage names."""
    other = of_beale(storage="s3://b")
    other["metadata"]["name"] = "beale-2"
    api_server.answers[RAYJOBS] = [{"items": [of_beale(), other]}]
    for name in ("beale-1", "beale-2"):
        api_server.answers[f"{CORE}/pods/{name}-x/log"] = [stamped(f"of {name}\n")]
    listed = json.loads(tunepipe("status", "beale", "--kubernetes", "--json").output)["submissions"]
    assert [each["submission"] for each in listed] == ["beale-1", "beale-2"]
    for command in ("logs", "stop"):
        refused = tunepipe(command, "beale", "--kubernetes")
        assert refused.code == 2
        assert "beale-1 in /studies and beale-2 in s3://b. Name one of them, or its storage with --storage" in " ".join(
            refused.errors.split()
        )
    for storage, name in (("/studies", "beale-1"), ("s3://b/", "beale-2")):
        api_server.answers[f"{CORE}/pods"] = [{"items": [pod(f"{name}-x", "Running")]}]
        printed = tunepipe("logs", "beale", "--kubernetes", "--storage", storage)
        assert (printed.code, printed.output) == (0, f"of {name}\n"), printed.errors


def test_a_driver_that_has_printed_nothing_says_why(api_server: ApiServer) -> None:
    """`logs --kubernetes` of a study that waits prints the reason to stderr and nothing to stdout."""
    api_server.answers[RAYJOBS] = [{"items": [of_beale("Initializing")]}]
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("beale-1-head", conditions=[unscheduled])]}]
    printed = tunepipe("logs", "beale", "--kubernetes")
    assert (printed.code, printed.output) == (0, "")
    assert "beale-1 has printed nothing: pod beale-1-head waits for a node: 0/2 nodes" in printed.errors
    api_server.answers[f"{CORE}/pods"] = [{"items": []}]
    api_server.answers[RAYJOBS] = [{"items": [of_beale("")]}]
    printed = tunepipe("logs", "beale", "--kubernetes")
    assert "`kubectl get deployment -A` shows whether it runs.\n" in printed.errors
    missing = tunepipe("logs", "mine", "--kubernetes")
    assert (missing.code, "Available: beale-1" in missing.errors) == (2, True)


def test_a_driver_is_followed_to_its_end(api_server: ApiServer) -> None:
    """`logs --follow --kubernetes` prints what follows until the study ends, and exits with its exit code."""
    failed = "Job entrypoint command failed with exit code 3, last logs"
    api_server.answers[RAYJOBS] = [{"items": [of_beale()]}]
    api_server.answers[f"{RAYJOBS}/beale-1"] = [of_beale(), of_beale("Failed", message=failed)]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("beale-1-x", "Running")]}]
    api_server.answers[f"{CORE}/pods/beale-1-x/log"] = [stamped("one\n"), stamped("one\ntwo\n")]
    printed = tunepipe("logs", "beale", "--follow", "--kubernetes")
    assert printed.code == 3, printed.errors
    assert [line for line in printed.output.splitlines() if "[kubernetes]" not in line] == ["one", "two"]
    api_server.answers[f"{CORE}/pods/beale-1-x/log"] = [stamped("\x1b[2Jone\n")]
    assert "\x1b[2Jone\n" in tunepipe("logs", "beale", "--follow", "--kubernetes", "--raw").output


def test_a_rayjob_that_can_never_start_is_followed_to_its_reason(api_server: ApiServer) -> None:
    """`logs --follow` of a RayJob that can never start ends with the reason, and with the command that deletes it."""
    job = of_beale("Initializing", rayClusterName="c")
    event = {"metadata": {"name": "e"}, "involvedObject": {"name": "c"}, "message": "violates PodSecurity"}
    api_server.answers[RAYJOBS] = [{"items": [job]}]
    api_server.answers[f"{RAYJOBS}/beale-1"] = [job]
    api_server.answers[f"{CORE}/events"] = [{"items": [event]}]
    printed = tunepipe("logs", "beale", "--follow", "--kubernetes", "--context", "c")
    assert printed.code == 2
    assert "violates PodSecurity" in printed.errors
    where = "--kubernetes --context c --namespace tunepipe"
    assert f"`tunepipe stop beale-1 {where}` deletes it." in " ".join(printed.errors.split())
    assert api_server.deleted == []


@pytest.mark.parametrize(("state", "code"), [("finished", 0), ("failed", 4), ("interrupted", 2)])
def test_a_driver_whose_rayjob_is_deleted_at_its_end(
    api_server: ApiServer, tmp_path: Path, state: str, code: int
) -> None:
    """`logs --follow` of a RayJob that is deleted meanwhile ends with what the study's storage says."""
    api_server.answers[RAYJOBS] = [{"items": [of_beale(storage=with_session(tmp_path, state=state))]}]
    api_server.gone.add(f"{RAYJOBS}/beale-1")
    printed = tunepipe("logs", "beale", "--follow", "--kubernetes")
    assert printed.code == code, printed.errors
    assert ("was deleted before its end could be read" in " ".join(printed.errors.split())) is (code != 0)


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
    job = of_beale()
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
