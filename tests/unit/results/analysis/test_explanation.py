"""The whole explanation, in words and as JSON, of every kind of study."""

import json
from pathlib import Path

from typer.testing import CliRunner

from pipeline.cli.commands import app
from pipeline.results import Results
from pipeline.results.analysis import explained
from tests.unit.results.studies import Recording, asha_study


def test_json_prints_one_object_with_all_of_it(tmp_path: Path) -> None:
    """`explain --json` prints one object with all numbers of the text, the same on each call."""
    study: Recording = asha_study(tmp_path)
    command = ["explain", study.job.name, "--storage", str(tmp_path), "--json"]
    reported = [CliRunner().invoke(app, command, catch_exceptions=False).stdout for _ in range(2)]
    assert reported[0] == reported[1]
    found = json.loads(reported[0])
    assert {"study", "importance", "early", "stopping", "seconds", "failures", "exploits"} <= set(found)
    assert found["importance"][0]["parameters"][0]["name"] == "lr"
    assert len(found["failures"]) == 2
    assert found["stopping"]["stopped"] == 18


def test_a_population_is_explained_by_segments(pbt_results: Results) -> None:
    """For a population, the explanation counts exploits and notes that configs explain only their own epochs."""
    assert explained(pbt_results).exploits == 8
