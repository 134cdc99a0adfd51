"""`tunepipe export`: trials for other tools."""

from pathlib import Path

from tests.command import tunepipe
from tests.recorded_studies import every_domain_study


def test_trials_are_logged_for_other_tools(tmp_path: Path) -> None:
    study = every_domain_study(tmp_path, trials=2)
    words = ["export", study.job.name, "--storage", str(tmp_path)]
    log = f"tensorboard={tmp_path}/board"
    for _ in range(2):
        printed = tunepipe(*words, "--log", log)
        assert printed.code == 0, printed.errors
        assert printed.output == f"The trials are in {log}.\n"
    assert {path.parent.name for path in (tmp_path / "board").rglob("events.out.*")} == {"0000", "0001"}
    refused = tunepipe(*words)
    assert (refused.code, "--to FOLDER" in refused.errors) == (2, True)
