"""The epochs of HyperModel.fit."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import load_results, run
from pipeline.adapters import from_file
from pipeline.training.function import FunctionLearner


@pytest.mark.parametrize("built", [True, False])
def test_an_own_fit_is_a_function(built: bool, program: Callable[[str], str], tmp_path: Path) -> None:
    """A hypermodel with its own fit is a function whose trials continue exactly, even if fit builds the model."""
    path = Path(program("kt_fit.py"))
    if not built:
        path.write_text(path.read_text().replace("        model.add(keras.Input((12,)))\n", ""))
    budget = {"trials": 3, "epochs": 2}
    given = {"name": "s", "searcher": "random", "resources": {"workers": 0}, "budget": budget}
    job = from_file(f"{path}:MyHyperModel", "keras-tuner", given)
    assert list(job.space) == ["units", "normalize", "shuffle", "batch"]
    assert job.function is not None
    values = {}
    for scheduler in ("fifo", "promoting-asha"):
        run(job.replaced({"scheduler": scheduler}), storage=tmp_path / scheduler, note=lambda _: None)
        epochs = load_results(tmp_path / scheduler / "s").epochs
        values[scheduler] = {(row.trial_id, row.epoch): row.val_loss for row in epochs.itertuples()}
    assert len(values["fifo"]) == 6
    paused = values["promoting-asha"]
    assert max(epoch for _, epoch in paused) == 2
    assert paused == {key: values["fifo"][key] for key in paused}


def test_an_own_fit_runs_to_its_end(program: Callable[[str], str], tmp_path: Path) -> None:
    """What a hypermodel's fit does after its one call of Keras' fit runs with the last epoch."""
    path = Path(program("kt_fit.py"))
    text = path.read_text().replace("return model.fit(", "history = model.fit(")
    end = "            **kwargs,\n        )"
    assert end in text
    path.write_text(text.replace(end, f'{end}\n        open("ended", "a").write("x")\n        return history'))
    budget = {"trials": 2, "epochs": 2}
    given = {"name": "s", "searcher": "random", "scheduler": "fifo", "resources": {"workers": 0}, "budget": budget}
    job = from_file(f"{path}:MyHyperModel", "keras-tuner", given)
    run(job, storage=tmp_path / "st", note=lambda _: None)
    assert [file.read_text() for file in sorted((tmp_path / "st/s").rglob("ended"))] == ["x", "x"]
    run(job.replaced({"budget.epochs": 3}), storage=tmp_path / "st", resume=True, note=lambda _: None)
    assert load_results(tmp_path / "st/s").trials["epochs"].to_list() == [3, 3]


def test_an_own_loop_reports_by_callbacks(program: Callable[[str], str]) -> None:
    """A hypermodel's training loop reports an epoch at each call of `on_epoch_end`, and its learner has no state."""
    job = from_file(program("kt_loop.py") + ":MyHyperModel", "keras-tuner", {})
    assert list(job.space) == ["units", "batch_size", "learning_rate"]
    assert job.budget.epochs == 2
    assert job.function is not None
    learner = FunctionLearner(job.function, {"units": 32, "batch_size": 64, "learning_rate": 0.001})
    assert list(learner.run_epoch().metrics) == ["my_metric"]
    assert "state" not in learner.save().header
    learner.close()


def test_a_value_that_fit_returns_counts_where_its_epochs_lack_the_objective(program: Callable[[str], str]) -> None:
    """A fit whose epochs lack the objective's metric has one epoch, with the metrics that it returns at its end."""
    path = Path(program("kt_fit.py"))
    text = (
        path.read_text()
        .replace("return model.fit(", "model.fit(")
        .replace(
            "            **kwargs,\n        )",
            '            **kwargs,\n        )\n        return {"own": 2.0, "other": 3}',
        )
    )
    path.write_text(text.replace('objective="val_loss"', 'objective=__import__("keras_tuner").Objective("own", "max")'))
    job = from_file(str(path), "keras-tuner", {})
    assert job.function is not None
    learner = FunctionLearner(job.function, {"units": 8, "normalize": False, "shuffle": False, "batch": 32})
    assert learner.run_epoch().metrics == {"own": 2.0, "other": 3.0}
    learner.close()


def test_the_best_epoch_of_a_returned_history_counts(program: Callable[[str], str]) -> None:
    """A fit without the search's callbacks that returns a History has the metrics of the objective's best epoch."""
    path = Path(program("kt_fit.py"))
    text = path.read_text().replace(
        "return model.fit(",
        "history = __import__('keras').callbacks.History()\n"
        "        history.history = {'val_loss': [3.0, float('nan'), 1.0, 2.0], 'loss': [5.0, 6.0, 7.0, 8.0]}\n"
        "        return history\n"
        "        model.fit(",
    )
    assert "history.history" in text
    path.write_text(text)
    job = from_file(str(path), "keras-tuner", {})
    assert job.function is not None
    config = {"units": 32, "normalize": True, "shuffle": True, "batch": 32}
    assert dict(FunctionLearner(job.function, config).run_epoch().metrics) == {"val_loss": 1.0, "loss": 7.0}
