"""`tunepipe simulate`: the table, one JSON object, and what is refused."""

import json
from pathlib import Path

import pytest

from tests.command import tunepipe
from tests.recorded_studies import asha_study

_SMALL = ["simulate", "beale", "--trials", "6", "--epochs", "4", "--workers", "1,3"]


def invoke(*arguments: str) -> str:
    done = tunepipe(*_SMALL, *arguments)
    assert done.code == 0, done.errors
    return done.output


def test_each_scheduler_and_each_number_of_workers_is_a_line():
    reported = invoke("--scheduler", "fifo,asha", "--price", "3600", "--seconds-per-epoch", "10")
    head, *lines = reported.splitlines()
    assert "Curves are synthetic" in head
    assert "best distance" in reported
    rows = [line.split()[:3] for line in lines]
    first = rows.index(["fifo", "random", "1"])
    assert rows[first : first + 4] == [
        ["fifo", "random", "1"],
        ["fifo", "random", "3"],
        ["asha", "random", "1"],
        ["asha", "random", "3"],
    ]
    assert "cost" in reported


def test_json_prints_one_object():
    reported = json.loads(invoke("--scheduler", "fifo", "--repeats", "3", "--price", "0.5", "--seed", "4", "--json"))
    assert (reported["job"], reported["trials"], reported["epochs"]) == ("beale", 6, 4)
    one = reported["rows"][1]
    assert one["cost"] == pytest.approx(one["seconds"] * one["workers"] / 3600 * 0.5)


def test_a_recorded_study_is_replayed(tmp_path: Path):
    asha_study(tmp_path)
    job = tmp_path / "again.py"
    job.write_text("from tests.recorded_studies import asha_job\n\nJOB = asha_job()\n")
    arguments = ["simulate", str(job), "--curves", "mnist-asha", "--storage", str(tmp_path), "--scheduler", "fifo"]
    done = tunepipe(*arguments)
    assert done.code == 0
    assert "24 recorded trials of 'mnist-asha'" in done.output
    assert "of the epochs were not recorded" in done.output


@pytest.mark.parametrize(("arguments", "reported"), [
    (["--workers", "0"], "--workers takes whole numbers from 1 to 10000"),
    (["--workers", "1,1000000000"], "from 1 to 10000"),
    (["--workers", "1,x"], "found '1,x'"),
    (["--scheduler", "asha,ahsa"], "did you mean asha"),
    (["--curves", "nothing"], "no study 'nothing'"),
    (["--set", 'start_from={"study": "nothing"}'], "no study 'nothing'"),
])  # fmt: skip
def test_invalid_options_are_refused_with_the_allowed_values(
    arguments: list[str], reported: str, tmp_path: Path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    refused = tunepipe(*_SMALL, *arguments)
    assert refused.code == 2
    assert reported in refused.errors
