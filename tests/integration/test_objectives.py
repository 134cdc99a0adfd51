"""The documentation's job of two objectives, run as a study."""

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from pipeline import TuneJob, load_results, run
from pipeline.results.views.study import results_object
from tests.project.test_docs import blocks

pytestmark = pytest.mark.long


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TuneJob:
    """SMALL of docs/search.md, as a module that holds the page's Python."""
    source = tmp_path / "page.py"
    source.write_text("\n".join(blocks("docs/search.md")))
    module: Any = types.ModuleType("page")
    module.__file__ = str(source)
    monkeypatch.setitem(sys.modules, "page", module)
    exec(compile(source.read_text(), source, "exec"), module.__dict__)
    small: TuneJob = module.SMALL
    return small.replaced({"budget.trials": 6, "budget.epochs": 3, "resources.workers": 0})


def test_accuracy_and_size_make_a_front(job: TuneJob, tmp_path: Path) -> None:
    """Sizes are those of the layers, the front has the undominated trials, and the most accurate one is best."""
    run(job, storage=tmp_path)
    results = load_results(tmp_path / "small-and-good")
    sizes = results.epochs.groupby("trial_id")["parameters"].unique()
    for trial, width in zip(results.trials["trial_id"], results.trials["config_width"], strict=True):
        assert sizes[trial].tolist() == [(64 + 1) * width + (width + 1) * 10]
    points = {
        str(row["trial_id"]): (row["objective"], -int(sizes[row["trial_id"]][0]))
        for row in results.trials.to_dict("records")
    }
    expected = {
        trial
        for trial, point in points.items()
        if not any(
            other != point and all(o >= p for o, p in zip(other, point, strict=True)) for other in points.values()
        )
    }
    reported = json.loads(json.dumps(results_object(results), allow_nan=False))
    assert {point["trial_id"] for point in reported["front"]} == expected
    assert reported["best"]["value"] == results.trials["objective"].max()
    assert reported["best"]["trial_id"] in expected
