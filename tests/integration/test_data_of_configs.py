"""A study whose data depend on its parameters: recorded by combination, resumed, trained again and exported."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.execution.models import load_model, rerun
from pipeline.execution.run import run
from pipeline.results.tables.load import load_results
from pipeline.study import Budget, Objective, Resources, TuneJob

pytestmark = pytest.mark.long

JOB_FILE = """
from pathlib import Path

from pipeline import Dataset, Split


def rows(config):
    import numpy as np

    x = np.full((16, config["width"]), float(Path({offset!r}).read_text()), "float32") + np.arange(16)[:, None]
    return Dataset("rows", *(Split(x / 16, x[:, 0] / 16) for _ in range(3)))


def build_model(config):
    import keras

    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(config["lr"]), "mse")
    return model
"""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TuneJob]:
    """Four trials of two widths, in this process; their rows depend on a file."""
    (tmp_path / "offset.txt").write_text("0")
    (tmp_path / "rows_of_widths.py").write_text(JOB_FILE.replace("{offset!r}", repr(str(tmp_path / "offset.txt"))))
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("rows_of_widths")
    yield TuneJob(
        name="widths",
        model=module.build_model,
        data=module.rows,
        space={"width": 2, "lr": 0.1},
        start_with=[{"width": 2, "lr": 0.1}],
        objectives=[Objective("val_loss", "min")],
        scheduler="fifo",
        budget=Budget(trials=1, epochs=2),
        resources=Resources(workers=0),
    ).replaced(
        {
            "space.width": {"kind": "grid", "values": [2, 3]},
            "space.lr": {"kind": "grid", "values": [0.1, 0.2]},
            "searcher": "grid",
            "budget.trials": 4,
        }
    )
    sys.modules.pop("rows_of_widths", None)


def test_a_study_keeps_the_data_of_each_combination(job: TuneJob, tmp_path: Path) -> None:
    """Both widths are recorded; the study resumes, trains again equally, rebuilds models, and refuses other data."""
    run(job, storage=tmp_path, note=lambda _: None)
    results = load_results(tmp_path / "widths")
    assert results.data is not None
    assert sorted(entry["config"]["width"] for entry in results.data["combinations"]) == [2, 3]
    assert len(results.trials) == 4
    assert results.trials["objective"].notna().all()
    trial = results.trials.loc[results.trials["config_width"] == 3, "trial_id"].iloc[0]
    again = rerun(tmp_path / "widths", trial=trial)
    assert again.equal
    assert not again.other_data
    assert load_model(tmp_path / "widths", trial=trial).input_shape[-1] == 3

    longer = job.replaced({"budget.epochs": 3})
    run(longer, storage=tmp_path, resume=True, note=lambda _: None)
    assert set(load_results(tmp_path / "widths").trials["epochs"]) == {3}
    (tmp_path / "offset.txt").write_text("1")
    with pytest.raises(DataError, match="has other values"):
        run(job.replaced({"budget.epochs": 4}), storage=tmp_path, resume=True, note=lambda _: None)
    run(job.replaced({"budget.epochs": 4}), storage=tmp_path, resume=True, accept_changes=True, note=lambda _: None)
    assert set(load_results(tmp_path / "widths").trials["epochs"]) == {4}
