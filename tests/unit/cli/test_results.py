import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli.app import app
from pipeline.errors import JobNotFound
from pipeline.results import load_results
from pipeline.results.as_object import results_object
from pipeline.storage import Store
from pipeline.study import layout
from tests.unit.results.studies import Recording, asha_study, tune_job


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A study of 24 trials."""
    return asha_study(tmp_path_factory.mktemp("studies"))


def invoke(study: Recording, *arguments: str) -> Result:
    """`tunepipe results` on the study."""
    command = ["results", study.job.name, "--storage", str(study.root), *arguments]
    return CliRunner().invoke(app, command, catch_exceptions=False)


def test_json_prints_one_object_and_nothing_else(study: Recording) -> None:
    """With --json stdout is one line with the object of the results."""
    told = invoke(study, "--json")

    assert told.exit_code == 0
    assert told.stdout.count("\n") == 1
    assert json.loads(told.stdout) == results_object(load_results(study.store.uri))


def test_without_a_terminal_the_leaderboard_is_plain_text(study: Recording) -> None:
    """A pipe gets no colour codes, and every column whole."""
    told = invoke(study, "--top", "3").stdout

    assert "\x1b" not in told
    assert "…" not in told.replace("… and 21 more", "")
    assert told.splitlines()[0] == "mnist-asha  finished, 18 stopped, 4 completed, 2 failed; 64 epochs"


def test_top_limits_the_trials_and_says_how_many_there_are(study: Recording) -> None:
    """The trials left out are counted; when all are shown there is no such line."""
    assert "… and 19 more" in invoke(study, "--top", "5").stdout
    assert "more; --top" not in invoke(study, "--top", "24").stdout


def test_a_study_without_trials_says_so(tmp_path: Path) -> None:
    """Before the first trial there is one line and no empty table."""
    told = invoke(Recording(tmp_path, tune_job("empty"))).stdout

    assert told == "empty  waiting, no trials yet; 0 epochs\n"


def test_the_winners_test_metrics_are_shown_whatever_their_names(tmp_path: Path) -> None:
    """Metrics of the test split follow the leaderboard; a bracket in a name is no markup."""
    study = Recording(tmp_path, tune_job("tested"))
    study.train("0000", 1, {"lr": 0.1}, 0.5, 1.0)
    study.end(1.0)
    winner = {"trial_id": "0000", "epoch": 1, "metrics": {"top[/5]": 0.25}}
    study.store.write(layout.WINNER, json.dumps(winner))

    assert "top[/5] 0.25" in invoke(study).stdout


def test_an_unknown_study_names_those_there_are(study: Recording) -> None:
    """The error names what there is."""
    with pytest.raises(JobNotFound, match="there are mnist-asha"):
        CliRunner().invoke(app, ["results", "nothing", "--storage", Store(study.root).uri], catch_exceptions=False)
