"""The whole explanation, in words and as JSON, of every kind of study."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.results import Results, load_results
from pipeline.results.analysis import explained
from pipeline.results.analysis.explanation import explanation_object
from tests.unit.results.edges import EDGES
from tests.unit.results.studies import Recording, asha_study


@pytest.mark.parametrize("name", EDGES)
def test_any_study_is_explained_or_a_reason_given(name: str, tmp_path: Path) -> None:
    """Almost empty, all failed, huge losses: there are sentences, and JSON without NaN."""
    study = EDGES[name](tmp_path)
    told = CliRunner().invoke(
        app, ["explain", study.job.name, "--storage", str(tmp_path)], catch_exceptions=False
    )  # fmt: skip
    assert told.exit_code == 0
    assert "What early stopping did" in told.stdout
    json.dumps(explanation_object(explained(load_results(study.store.uri))), allow_nan=False)


def test_json_prints_one_object_with_all_of_it(tmp_path: Path) -> None:
    """What is told in words is there in numbers; twice the same."""
    study: Recording = asha_study(tmp_path)
    command = ["explain", study.job.name, "--storage", str(tmp_path), "--json"]
    told = [CliRunner().invoke(app, command, catch_exceptions=False).stdout for _ in range(2)]
    assert told[0] == told[1]
    found = json.loads(told[0])
    assert {"study", "importance", "early", "stopping", "seconds", "failures", "exploits"} <= set(found)
    assert found["importance"][0]["parameters"][0]["name"] == "lr"
    assert len(found["failures"]) == 2
    assert found["stopping"]["stopped"] == 18


def test_a_population_is_told_that_configs_answer_for_their_epochs_only(pbt_results: Results) -> None:
    """Exploits are counted, since shares of variance then say less."""
    assert explained(pbt_results).exploits == 8
