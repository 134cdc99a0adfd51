"""`tunepipe logs` prints what a trial has printed."""

from pathlib import Path

import pytest

from pipeline.study import layout
from tests.command import CommandResult, tunepipe
from tests.recorded_studies import Recording, every_domain_study


@pytest.fixture
def study(tmp_path: Path) -> Recording:
    """A study of two trials, of which the first has an empty log."""
    study = every_domain_study(tmp_path, trials=2)
    study.store.write(layout.log("0000"), "")
    return study


def logs(study: Recording, *words: str) -> CommandResult:
    return tunepipe("logs", study.job.name, "--storage", str(study.root), *words)


def test_a_trial_that_printed_nothing_and_one_that_does_not_exist(study: Recording) -> None:
    for trial in ("0", "1"):
        silent = logs(study, "--trial", trial)
        assert (silent.code, silent.output) == (0, "")
        assert "printed nothing" in silent.errors
    assert "no trial '9999'" in logs(study, "--trial", "9999").errors


def test_logs_escape_what_a_terminal_obeys(study: Recording) -> None:
    printed = "\x1b[32mgreen\x1b[0m\x1b]0;title\x07\x1b]8;;http://x\x1b\\\\link\x1b[2J\n"
    study.store.write(layout.log("0001"), printed)
    reported = logs(study, "--trial", "1").output
    assert reported.startswith("green\\x1b]0;title\\x07\\x1b]8;;")
    assert reported.endswith("link\\x1b[2J\n")


@pytest.mark.parametrize("words", [["--follow"], ["-f"], ["--address", "http://host:8265"], ["--kubernetes"]])
def test_the_log_of_a_trial_is_not_followed(study: Recording, words: list[str]) -> None:
    refused = logs(study, "--trial", "1", *words)
    assert refused.code == 2
    assert "--trial prints a trial's log" in refused.errors
