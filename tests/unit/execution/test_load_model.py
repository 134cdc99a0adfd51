"""Models and states of a study as Python objects."""

import gc
import sys

import keras
import pytest

from pipeline import load_model, load_results, load_state, run
from pipeline.errors import InvalidJob, ModelError
from pipeline.storage import Store
from tests.unit.execution.three_trials import JOB, flat, scored, val_loss
from tests.unit.training.model_kinds import rows_of_six


def test_a_model_is_loaded_in_python(tuned_store, losing):
    """A model is loaded by the trial's id, its number or as the best one, compiled and with its weights."""
    for trial in (losing, int(losing)):
        assert scored(load_model(tuned_store.uri, trial=trial)) == pytest.approx(
            val_loss(tuned_store, losing), rel=1e-5
        )
    best = load_results(tuned_store.uri).best
    assert scored(load_model(tuned_store.uri)) == pytest.approx(best.value, rel=1e-5)


def test_a_study_without_what_is_asked_for_is_an_error(tuned_store, tmp_path):
    """A function without a state has no model to load, and a study of a model has no state to load."""
    run(JOB.replaced({"model": None, "function": flat, "data": None, "objectives.0.metric": "score"}),
        storage=tmp_path, name="f", note=lambda _: None)  # fmt: skip
    with pytest.raises(ModelError, match="tunes a function, and trial 0000 had yielded no state"):
        load_model(tmp_path / "f")
    with pytest.raises(ModelError, match="tunes a model: load_model"):
        load_state(tuned_store.uri)


TYPED = """
import keras

def build_model(config):
    model = keras.Sequential([keras.layers.Input((6,)), keras.layers.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.SGD(config["lr"]), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

def typed_data():
    LOADS.append(1)
    return rows_of_six()
"""


def test_lambdas_of_a_notebook_s_job_are_found(tmp_path, monkeypatch):
    """A job of lambdas that a notebook keeps in a variable is resumed, and its trials' models are loaded."""
    cells = {"__name__": "__main__", "rows_of_six": rows_of_six}
    code = TYPED + "model, data = lambda config: build_model(config), lambda: rows_of_six()"
    exec(compile(code, "<cell>", "exec"), cells)
    job = JOB.replaced({"model": cells["model"], "data": cells["data"]})
    monkeypatch.setattr(sys.modules["__main__"], "my_job", job, raising=False)
    run(job, storage=tmp_path, note=lambda _: None)
    store = Store(tmp_path / "s")
    trials = load_results(store.uri).trials["trial_id"]
    assert run(job, storage=tmp_path, resume=True, note=lambda _: None).finished_before
    for trial in trials:
        assert scored(load_model(store.uri, trial=trial)) == pytest.approx(val_loss(store, trial), rel=1e-5)


BODY, NECK = keras.layers.Dense(4, name="body"), keras.layers.Dense(4, name="neck")


def around_a_layer(config):
    """A model around layers of all trials."""
    model = keras.Sequential([keras.Input((6,)), BODY, NECK, keras.layers.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.SGD(config["lr"]), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_models_that_share_a_layer_are_noted(tmp_path, capsys):
    """A model with layers of an earlier one that is in use is returned with a note that names and counts weights."""
    run(JOB.replaced({"model": around_a_layer, "budget.trials": 2}), storage=tmp_path, name="b", note=lambda _: None)
    capsys.readouterr()
    first = load_model(tmp_path / "b", trial=0)
    assert "A model that was loaded before" not in capsys.readouterr().out
    load_model(tmp_path / "b", trial=1)
    out = capsys.readouterr().out
    assert "A model that was loaded earlier now has the weights sequential/body/kernel" in out
    assert "and 1 more of this one" in out
    assert first.layers[0] is BODY
    del first
    gc.collect()
    load_model(tmp_path / "b", trial=0)
    assert "A model that was loaded before" not in capsys.readouterr().out


def test_a_notebook_s_models_are_loaded(tmp_path, monkeypatch, capsys):
    """A notebook's winner is loaded without its functions and data, and another trial needs the same functions."""
    cells = {"__name__": "__main__", "rows_of_six": rows_of_six, "LOADS": []}
    exec(compile(TYPED, "<cell>", "exec"), cells)
    typed = {name: cells[name] for name in ("build_model", "typed_data")}
    job = JOB.replaced({"model": typed["build_model"], "data": typed["typed_data"]})
    run(job, storage=tmp_path, note=lambda _: None)
    store = Store(tmp_path / "s")
    best = load_results(store.uri).best
    other = next(trial for trial in ("0000", "0001", "0002") if trial != best.trial_id)
    cells["LOADS"].clear()
    capsys.readouterr()
    model = load_model(store.uri)
    assert model.optimizer is not None
    assert scored(model) == pytest.approx(best.value, rel=1e-5)
    assert (cells["LOADS"], capsys.readouterr().out) == ([], "")
    with pytest.raises(InvalidJob, match="load_model return the best trial's model without them"):
        load_model(store.uri, trial=other)
    for name, function in typed.items():
        monkeypatch.setattr(sys.modules["__main__"], name, function, raising=False)
    cells["LOADS"].clear()
    assert scored(load_model(store.uri, trial=other)) == pytest.approx(val_loss(store, other), rel=1e-5)
