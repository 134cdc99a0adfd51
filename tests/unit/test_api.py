"""Studies as a program uses them: their models as Python objects and as files, and a start from an earlier one."""

import resource
import shutil
import sys
from pathlib import Path
from typing import Any

import keras
import pytest

from pipeline import Budget, Grid, Objective, StartFrom, TuneJob, Uniform, load_model, load_results, run
from pipeline.api import export
from pipeline.engine.messages import EXPORT, Assignment
from pipeline.errors import InvalidJob, JobNotFound, StorageError, StudyChanged
from pipeline.execution.worker.worker import Worker
from pipeline.results.tables.trials import warm_started
from pipeline.storage import Store
from tests.model_kinds import Unregistered, rows_of_six
from tests.rising_job import rising_job


def build_model(config):
    model = keras.Sequential([keras.layers.Input((6,)), keras.layers.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.SGD(config["lr"]), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def data():
    return rows_of_six()


JOB = TuneJob(
    name="s",
    model=build_model,
    data=data,
    space={"lr": Grid([0.01, 0.1, 0.5])},
    objectives=[Objective("val_loss", "min")],
    searcher="grid",
    scheduler="fifo",
    budget=Budget(trials=3, epochs=2),
    batch_size=11,
    resources={"workers": 0},
)


def val_loss(store, trial):
    """What the study recorded at the trial's best epoch."""
    trials = load_results(store.uri).trials
    return float(trials.loc[trials["trial_id"] == trial, "objective"].iloc[0])


def scored(model):
    """The model's loss on the validation split."""
    split = data().validation
    model.compile(loss="sparse_categorical_crossentropy")
    return float(model.evaluate(split.x, split.y, verbose=0, return_dict=True)["loss"])


@pytest.fixture(scope="module")
def tuned_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("studies")
    run(JOB, storage=folder, note=lambda _: None)
    return Store(folder / "s")


@pytest.fixture
def losing(tuned_store: Store) -> str:
    best = load_results(tuned_store.uri).best.trial_id
    return next(trial for trial in ("0000", "0001", "0002") if trial != best)


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
    monkeypatch.setattr("pipeline.api.load_data", lambda *_, **__: pytest.fail("The data were loaded."))
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


def from_first(name: str, space: Any = ("a", "b"), **fields: Any) -> TuneJob:
    return rising_job(name=name, space={each: Uniform(0, 0.9) for each in space}, **fields)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage with the study `first`, which lacks the parameter b."""
    folder = tmp_path_factory.mktemp("studies")
    run(from_first("first", "a", scheduler="fifo"), storage=folder, note=lambda _: None)
    return folder


def best_of_first(storage: Path, count: int) -> list[dict[str, Any]]:
    rows = load_results(storage / "first").trials.sort_values("objective", ascending=False)
    return [{"a": value} for value in rows["config_a"].head(count)]


def test_the_first_trials_are_the_other_studys_best_also_after_a_resume(storage: Path) -> None:
    reported: list[str] = []
    own = {"a": 0.5, "b": 0.25}
    second = from_first("second", start_with=[own], start_from=StartFrom("first", 2)).replaced({"budget.trials": 3})
    results = run(second, storage=storage, note=reported.append)
    assert results.job["start_with"] == [own, *best_of_first(storage, 2)]
    assert results.trials["config_a"].to_list() == [0.5, *(config["a"] for config in best_of_first(storage, 2))]
    reasons = results.decisions[results.decisions["kind"] == "start"]["reason"]
    assert all("'first'" in reason for reason in reasons)
    assert reported[0].startswith("Starts with 2 configs of the study 'first': ")
    again = run(second.replaced({"budget.trials": 4}), storage=storage, resume=True)
    assert again.job["start_with"] == results.job["start_with"]
    with pytest.raises(StudyChanged, match="start_from"):
        run(second.replaced({"start_from": StartFrom("first", 1)}), storage=storage, resume=True)


def test_a_study_to_start_from_is_found_by_its_folder_and_must_have_usable_configs(storage: Path, tmp_path) -> None:
    far = from_first("far", start_from=StartFrom(str(storage / "first"), 1))
    assert list(warm_started(far, tmp_path).start_with) == best_of_first(storage, 1)
    with pytest.raises(JobNotFound, match="frist"):
        warm_started(from_first("a", start_from=StartFrom("frist")), storage)
    with pytest.raises(InvalidJob) as raised:
        warm_started(from_first("a", "z", start_from=StartFrom("first")), storage)
    assert raised.value.faults[0].field == "start_from.study"
