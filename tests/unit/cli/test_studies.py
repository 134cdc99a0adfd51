"""`tunepipe list`, `studies`, `explain`, `report` and `delete`: what they print, write and refuse."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

import tune_jobs
from tests.command import rows_of, tunepipe
from tests.recorded_studies import Recording, asha_study, tune_job


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("storage")
    asha_study(root)
    Recording(root, tune_job("waits"))
    return root


def test_the_jobs_are_listed() -> None:
    job, lines = tune_jobs.find("beale"), tunepipe("list").output.splitlines()
    assert {line.split()[0] for line in lines[1:] if line.split()} >= set(tune_jobs.names())
    (beale,) = [line for line in lines if line.split()[:1] == ["beale"]]
    assert job.scheduler.kind in beale
    assert [str(job.budget.trials), str(job.budget.epochs)] == beale.split()[2:4]


def test_the_studies_of_a_storage_are_listed(storage: Path, tmp_path: Path) -> None:
    head, *lines = tunepipe("studies", "--storage", str(storage)).output.splitlines()
    assert head.split() == ["study", "state", "trials", "epochs", "best", "started"]
    assert lines[0].split() == ["waits", "waiting", "0", "0", "–", "–"]
    assert lines[1].split()[:6] == ["mnist-asha", "ended", "24", "64", "val_accuracy", "0.9666"]
    waits, asha = rows_of(tunepipe("studies", "--storage", str(storage), "--json").output, "studies")
    assert (waits["study"], waits["trials"], waits["best"], waits["started"]) == ("waits", 0, None, None)
    assert asha["best"] == {"metric": "val_accuracy", "value": pytest.approx(0.9666, abs=1e-4)}
    assert (asha["started"], asha["fault"]) == ("2025-03-14T09:30:00+00:00", None)
    assert "tunepipe run JOB" in tunepipe("studies", "--storage", str(tmp_path)).output
    assert rows_of(tunepipe("studies", "--storage", str(tmp_path), "--json").output, "studies") == []


@pytest.mark.usefixtures("no_pictures")
def test_a_report_is_written_into_the_study(storage: Path) -> None:
    page = storage / "mnist-asha/report.html"
    printed = tunepipe("report", "mnist-asha", "--storage", str(storage))
    assert (printed.code, printed.output) == (0, f"{page}\n")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


PROGRAM = """
import sys
from pipeline.cli.app import start
try:
    start()
finally:
    print(sorted({"keras", "matplotlib", "pandas", "ray", "sklearn"} & sys.modules.keys()), file=sys.stderr)
"""


def test_commands_that_read_load_no_library_that_draws_or_trains(storage: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, "results", "mnist-asha", "--storage", str(storage)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (0, "[]")
    assert "mnist-asha" in ended.stdout


@pytest.fixture
def study(tmp_path: Path) -> Recording:
    return asha_study(tmp_path, trials=2)


def delete(study: Recording, monkeypatch: pytest.MonkeyPatch, *words: str, answer: bool | None = None) -> str:
    def confirm(*_: object, **__: object) -> bool:
        if answer is None:
            raise typer.Abort
        return answer

    monkeypatch.setattr("typer.confirm", confirm)
    printed = tunepipe("delete", study.job.name, "--storage", str(study.root), *words)
    return printed.output if printed.code == 0 else printed.errors


def test_nothing_is_deleted_without_consent(study: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Nothing was deleted." in delete(study, monkeypatch, answer=False)
    assert "--yes deletes without asking" in delete(study, monkeypatch)
    study.store.write("files/0000/note.txt", "mine")
    reported = delete(study, monkeypatch, answer=False)
    assert "of which 1 in the working folders" in reported
    assert study.store.exists("study.json")
    assert "Deleted" in delete(study, monkeypatch, answer=True)
    assert not study.store.exists("study.json")


def test_yes_asks_nothing(study: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    assert delete(study, monkeypatch, "--yes") == f"Deleted {study.store.uri}.\n"
