"""Models of a study as Python objects and as files."""

import resource
import shutil
import sys

import keras
import pytest

from pipeline import load_model, load_results, run
from pipeline.engine.messages import EXPORT, Assignment
from pipeline.errors import InvalidJob, JobNotFound, StorageError
from pipeline.execution.models import export
from pipeline.execution.worker.worker import Worker
from pipeline.storage import Store
from tests.model_kinds import rows_of_six
from tests.unit.execution.three_trials import JOB, scored, val_loss


def test_a_model_is_loaded_in_python(tuned_store, losing):
    for trial in (losing, int(losing)):
        assert scored(load_model(tuned_store.uri, trial=trial)) == pytest.approx(
            val_loss(tuned_store, losing), rel=1e-5
        )
    best = load_results(tuned_store.uri).best
    assert scored(load_model(tuned_store.uri)) == pytest.approx(best.value, rel=1e-5)


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


@pytest.mark.long
def test_a_notebook_s_models_are_loaded(tmp_path, monkeypatch, capsys):
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
    with pytest.raises(InvalidJob):
        load_model(store.uri, trial=other)
    for name, function in typed.items():
        monkeypatch.setattr(sys.modules["__main__"], name, function, raising=False)
    cells["LOADS"].clear()
    assert scored(load_model(store.uri, trial=other)) == pytest.approx(val_loss(store, other), rel=1e-5)


def test_any_trial_s_model_is_loaded_without_the_data(tuned_store, losing, monkeypatch):
    monkeypatch.setattr("pipeline.execution.models.load_data", lambda *_, **__: pytest.fail("The data were loaded."))
    before = tuned_store.files()
    loss = scored(load_model(tuned_store.uri, trial=losing))
    assert loss == pytest.approx(val_loss(tuned_store, losing), rel=1e-5)
    assert tuned_store.files() == before


def test_a_model_that_is_gone_is_reported(tuned_store, losing, tmp_path):
    shutil.copytree(tuned_store.local, tmp_path / "s")
    shutil.rmtree(tmp_path / "s/checkpoints" / losing)
    with pytest.raises(JobNotFound, match=f"checkpoints/{losing}"):
        load_model(tmp_path / "s", trial=losing)
    shutil.rmtree(tmp_path / "s/export")
    with pytest.raises(JobNotFound, match="tunepipe resume"):
        export(Store(tmp_path / "s"), tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_mistakes_are_reported(tuned_store, tmp_path):
    with pytest.raises(JobNotFound, match="0009"):
        load_model(tuned_store.uri, trial="0009")
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tuned_store.local):
        with pytest.raises(StorageError):
            export(tuned_store, folder)


def test_an_export_that_fails_leaves_no_part_of_a_file(tuned_store, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(StorageError, match="File too large"):
            export(tuned_store, tmp_path / "to")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert all(file.read_bytes() == tuned_store.read(f"export/{file.name}") for file in (tmp_path / "to").iterdir())


class Unregistered(keras.layers.Layer):
    def __init__(self, scale):
        super().__init__()
        self._scale = scale

    def call(self, x):
        return self._scale(x)


def build_own(config):
    """A model that Keras cannot load without its code, so that model.keras is left out."""
    layers = [Unregistered(lambda x: 2.0 * x), keras.layers.Dense(3, activation="softmax")]
    model = keras.Sequential([keras.layers.Input((6,)), *layers])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def test_an_export_keeps_no_file_of_an_earlier_winner(tuned_store, tmp_path):
    shutil.copytree(tuned_store.local, tmp_path / "s")
    best, exported = load_results(tuned_store.uri).best, tmp_path / "s/export"
    worker = Worker(JOB.replaced({"model": build_own}), rows_of_six(), Store(tmp_path / "s"), session=1, capture=False)
    worker.begin(Assignment(best.trial_id, best.config, 0, task=EXPORT, epoch=best.epoch, value=best.value))
    assert worker.step().failure is None
    worker.close()
    assert sorted(path.name for path in exported.iterdir()) == ["model.weights.h5", "provenance.json", "winner.json"]


def test_no_file_is_replaced_and_no_link_is_followed(tuned_store, tmp_path):
    written = export(tuned_store, tmp_path / "ours")
    assert "model.keras" in {path.name for path in written}
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "ours/model.keras").unlink()
    (tmp_path / "ours/model.keras").symlink_to(tmp_path / "mine")
    with pytest.raises(StorageError, match=r"model\.keras"):
        export(tuned_store, tmp_path / "ours")
    assert (tmp_path / "mine").read_text() == "mine"
