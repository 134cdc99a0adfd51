"""`tunepipe export` writes models of a study, and its trials for other tools."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli.commands import app
from pipeline.errors import UsageError
from tests.unit.results.studies import Recording, every_domain_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return every_domain_study(tmp_path_factory.mktemp("storage"), trials=2)


def export(study: Recording, *arguments: str) -> Result:
    command = ["export", study.job.name, "--storage", str(study.root), *arguments]
    return CliRunner().invoke(app, command, catch_exceptions=False)


def test_export_needs_a_target(study: Recording) -> None:
    with pytest.raises(UsageError, match=r"--to FOLDER .*--tensorboard FOLDER, --mlflow URI"):
        export(study)


def test_the_tensorboard_folder_is_printed(study: Recording, tmp_path: Path) -> None:
    reported = export(study, "--tensorboard", str(tmp_path / "board")).stdout

    assert reported == f"2 trials in {tmp_path}/board: `tensorboard --logdir {tmp_path}/board` shows them.\n"


def test_the_printed_command_can_be_copied(tmp_path: Path) -> None:
    reported = export(every_domain_study(tmp_path, trials=1), "--tensorboard", str(tmp_path / "my board")).stdout

    assert reported == f"1 trial in {tmp_path}/my board: `tensorboard --logdir '{tmp_path}/my board'` shows them.\n"


@pytest.mark.parametrize("words", [["--trial", "1"], ["--overwrite"]])
def test_selecting_a_model_needs_a_folder(study: Recording, words: list[str]) -> None:
    with pytest.raises(UsageError, match="need --to FOLDER"):
        export(study, *words)


def test_a_folder_for_mlflow_gets_a_database(study: Recording, tmp_path: Path) -> None:
    first, second = (export(study, "--mlflow", str(tmp_path)).stdout for _ in range(2))

    shown = f"`mlflow ui --backend-store-uri sqlite:///{tmp_path}/mlflow.db` shows them"
    # mlflow-skinny, which writes, has no UI.
    look = f"{shown} (package mlflow, in a separate environment)"
    assert first == f"2 trials written to {tmp_path}: {look}.\n"
    assert second == f"0 trials written to {tmp_path}, 2 were there already: {look}.\n"
