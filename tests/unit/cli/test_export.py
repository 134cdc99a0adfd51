"""`tunepipe export` writes models of a study, and its trials for other tools."""

from pathlib import Path

import pytest

from tests.command import tunepipe
from tests.recorded_studies import Recording, every_domain_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return every_domain_study(tmp_path_factory.mktemp("storage"), trials=2)


@pytest.mark.parametrize("words", [[], ["--trial", "1"], ["--overwrite", "--log", "tensorboard=x"]])
def test_export_needs_a_target(study: Recording, words: list[str]) -> None:
    refused = tunepipe("export", study.job.name, "--storage", str(study.root), *words)
    assert refused.code == 2
    assert "--to FOLDER" in refused.errors


def test_trials_are_logged_for_other_tools(study: Recording, tmp_path: Path) -> None:
    logs = [f"tensorboard={tmp_path}/board", f"mlflow={tmp_path}/runs"]
    words = [word for log in logs for word in ("--log", log)]
    for _ in range(2):
        printed = tunepipe("export", study.job.name, "--storage", str(study.root), *words)
        assert printed.code == 0, printed.errors
        assert printed.output == "".join(f"The trials are in {log}.\n" for log in logs)
    assert {path.parent.name for path in (tmp_path / "board").rglob("events.out.*")} == {"0000", "0001"}
    assert (tmp_path / "runs/mlflow.db").exists()
