"""`tunepipe logs` prints what a trial has printed."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.commands import app
from pipeline.errors import JobNotFound, UsageError
from pipeline.study import layout
from tests.unit.results.studies import Recording, every_domain_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A study of two trials."""
    return every_domain_study(tmp_path_factory.mktemp("storage"), trials=2)


def test_logs_of_an_unknown_trial_are_refused(study: Recording) -> None:
    command = ["logs", study.job.name, "--storage", str(study.root), "--trial"]
    with pytest.raises(JobNotFound, match=r"no trial '9999'\. Available: 0000, 0001"):
        CliRunner().invoke(app, [*command, "9999"], catch_exceptions=False)
    silent = CliRunner().invoke(app, [*command, "1"], catch_exceptions=False)
    assert (silent.exit_code, silent.stdout) == (0, "")
    assert "Trial 0001 of the study in" in silent.stderr
    assert "printed nothing" in silent.stderr


def test_an_empty_log_is_that_of_a_silent_trial(tmp_path: Path) -> None:
    study = every_domain_study(tmp_path, trials=2)
    study.store.write(layout.log("0000"), "")
    reported = CliRunner().invoke(app, ["logs", study.job.name, "--storage", str(study.root), "--trial", "0"])
    assert (reported.exit_code, reported.stdout) == (0, "")
    assert "printed nothing" in reported.stderr


def test_logs_escape_what_a_terminal_obeys(tmp_path: Path) -> None:
    study = every_domain_study(tmp_path, trials=2)
    printed = "\x1b[32mgreen\x1b[0m\x1b]0;title\x07\x1b]8;;http://x\x1b\\\\link\x1b[2J\n"
    study.store.write(layout.log("0001"), printed)
    command = ["logs", study.job.name, "--storage", str(study.root), "--trial", "1"]
    reported = CliRunner().invoke(app, command, catch_exceptions=False).stdout
    assert reported.startswith("green\\x1b]0;title\\x07\\x1b]8;;")
    assert reported.endswith("link\\x1b[2J\n")
    assert CliRunner().invoke(app, [*command, "--raw"], catch_exceptions=False).stdout_bytes.decode() == printed


@pytest.mark.parametrize("words", [["--follow"], ["-f"], ["--address", "http://host:8265"]])
def test_the_log_of_a_trial_is_not_followed(study: Recording, words: list[str]) -> None:
    command = ["logs", study.job.name, "--storage", str(study.root), "--trial", "1", *words]
    with pytest.raises(UsageError, match="--trial prints a trial's log"):
        CliRunner().invoke(app, command, catch_exceptions=False)
