"""`tunepipe run` and `resume`, with trials in this process."""

from pathlib import Path

import pytest

from tests.command import CommandResult, rows_of, tunepipe

pytestmark = pytest.mark.usefixtures("no_pictures")

BAD = """
from pipeline import Budget, Objective, TuneJob, Uniform

def f(config):
    yield {"score": 1.0}
    raise RuntimeError("no luck")

JOB = TuneJob(
    name="bad", function=f, space={"x": Uniform(0, 1)}, objectives=[Objective("score", "max")],
    budget=Budget(trials=4, epochs=3),
)
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _run(*words: str) -> CommandResult:
    return tunepipe("run", "beale", "--workers", "0", "--trials", "3", "--epochs", "2", *words)


def test_a_study_ends_with_its_results_and_where_they_are(tmp_path: Path) -> None:
    printed = _run()
    assert printed.code == 0
    lines = printed.output.splitlines()
    assert any(line.split()[:1] == ["trial"] for line in lines)
    assert lines[-2:] == [f"study   {tmp_path}/studies/beale", f"report  {tmp_path}/studies/beale/report.html"]
    assert (tmp_path / "studies/beale/report.html").exists()


def test_a_taken_name_offers_a_resume_and_another_name() -> None:
    _run()
    taken = _run()
    assert taken.code == 2
    assert "--resume" in taken.errors
    assert "--name" in taken.errors
    again = _run("--resume")
    assert again.code == 0
    assert "already ended" in again.errors
    more = tunepipe("resume", "beale", "--trials", "4", "--workers", "0", "--json")
    assert len(rows_of(more.output, "trials")) == 4
    assert more.output == tunepipe("results", "beale", "--json").output


def test_if_no_trial_succeeds_the_failures_are_printed(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD)
    printed = tunepipe("run", "bad.py", "--workers", "0", traceback=True)
    assert printed.code == 3
    assert "RuntimeError: no luck" in printed.output
    assert "bad.py:6 in f" in printed.output
    assert "The first 3 trials failed with the same error: RuntimeError: no luck" in printed.errors


def test_a_study_is_logged_while_it_runs(tmp_path: Path) -> None:
    refused = _run("--log", "wandb=here")
    assert refused.code == 2
    assert "tensorboard=FOLDER" in refused.errors
    assert not (tmp_path / "studies").exists()
    assert _run("--log", f"tensorboard={tmp_path / 'board'}").code == 0
    assert len(list((tmp_path / "board/beale").glob("*/events.out.*"))) == 3
