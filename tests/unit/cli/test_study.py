"""What is done with one study: `tunepipe export` for other tools, `tunepipe logs` of a trial."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli.app import app
from pipeline.errors import JobNotFound, UsageError
from tests.unit.results.studies import Recording, every_domain_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A study of two trials."""
    return every_domain_study(tmp_path_factory.mktemp("storage"), trials=2)


def export(study: Recording, *arguments: str) -> Result:
    """`tunepipe export` on the study."""
    command = ["export", study.job.name, "--storage", str(study.root), *arguments]
    return CliRunner().invoke(app, command, catch_exceptions=False)


def test_what_is_to_be_written_must_be_said(study: Recording) -> None:
    """The message names every possibility."""
    with pytest.raises(UsageError, match=r"--to FOLDER .*--tensorboard FOLDER, --mlflow URI"):
        export(study)


def test_tensorboards_folder_is_told(study: Recording, tmp_path: Path) -> None:
    """How many trials, where, and how they are looked at."""
    told = export(study, "--tensorboard", str(tmp_path / "board")).stdout

    assert told == f"2 trials in {tmp_path}/board: `tensorboard --logdir {tmp_path}/board` shows them.\n"


def test_a_folder_for_mlflow_gets_a_database(study: Recording, tmp_path: Path) -> None:
    """The second time it is said that everything was there already."""
    first, second = (export(study, "--mlflow", str(tmp_path)).stdout for _ in range(2))

    look = f"`mlflow ui --backend-store-uri sqlite:///{tmp_path}/mlflow.db` shows them"
    assert first == f"2 trials written to {tmp_path}: {look}.\n"
    assert second == f"0 trials written to {tmp_path}, 2 were there already: {look}.\n"


def test_logs_of_a_trial_that_is_not_there(study: Recording) -> None:
    """The message names the trials there are; one that is there, but printed nothing, is told from it."""
    command = ["logs", study.job.name, "--storage", str(study.root), "--trial"]
    with pytest.raises(JobNotFound, match=r"no trial '9999'\. There are 0000, 0001"):
        CliRunner().invoke(app, [*command, "9999"], catch_exceptions=False)
    with pytest.raises(JobNotFound, match=r"Trial '0001' .* has printed nothing"):
        CliRunner().invoke(app, [*command, "1"], catch_exceptions=False)
