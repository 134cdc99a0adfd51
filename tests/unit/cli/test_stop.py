"""`tunepipe stop` where nothing has to be stopped, and what it refuses."""

from pathlib import Path

import pytest

from tests.hostile.command import tunepipe
from tests.unit.results.studies import asha_study

STUDY = "mnist-asha"


def test_a_study_that_has_ended_is_not_stopped(tmp_path: Path) -> None:
    asha_study(tmp_path, trials=4)
    printed = tunepipe("stop", STUDY, "--storage", str(tmp_path))
    assert printed.code == 0
    assert printed.output == f"The study '{tmp_path / STUDY}' is not running: it is finished.\n"


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        ([], "A study on a cluster is stopped with --address http://HOST:8265 or with --kubernetes."),
        (["--address", "ftp://x"], "http://HOST:8265"),
        (["--trial", "1", "--kubernetes"], "--trial stops a trial of a study in a storage"),
        (["--trial", "1", "--address", "http://x"], "--trial stops a trial of a study in a storage"),
        (["--reason", "it diverges"], "--reason needs --trial"),
    ],
)
def test_unknown_studies_and_conflicting_options_are_refused(
    words: list[str], reported: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    refused = tunepipe("stop", "x", "--storage", str(tmp_path), *words)
    assert refused.code == 2
    assert reported in " ".join(refused.errors.split())
