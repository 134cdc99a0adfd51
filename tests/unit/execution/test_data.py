"""A study continues with the data with which it began."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import load_results, run
from pipeline.errors import DataError
from pipeline.execution.worker.worker import shared_caches
from pipeline.storage import Store, layout
from pipeline.storage.scratch import close_shared_folders
from pipeline.study import load_study
from tune_jobs import find

JOB = """
from pathlib import Path

import numpy as np

from pipeline import Budget, Dataset, Objective, Split, TuneJob


def rows():
    x = np.loadtxt({file!r}, ndmin=2) + np.random.normal(size=(6, 1))
    return Dataset("rows", Split(x, x), Split(x[:3], x[:3]))


def build(config):
    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(config["lr"]), "mse")
    return model


JOB = TuneJob(name="s", model=build, data=rows, space={{"lr": 0.01}}, objectives=[Objective("val_loss", "min")],
              scheduler="fifo", budget=Budget(trials=1, epochs=1), resources={{"workers": 0}})
"""


@pytest.fixture
def study(tmp_path: Path) -> tuple[Store, Path]:
    file = tmp_path / "rows.txt"
    file.write_text("1 \n2 \n3 \n4 \n5 \n6")
    (tmp_path / "data_job.py").write_text(JOB.format(file=str(file)))
    run(find(str(tmp_path / "data_job.py")), storage=tmp_path / "studies", note=lambda _: None)
    return Store(tmp_path / "studies").folder("s"), file


def _gone_on(store: Store, epochs: int, **options: bool) -> None:
    job = load_study(store).replaced({"budget.epochs": epochs})
    run(job, storage=Path(store.uri).parent, resume=True, note=lambda _: None, **options)


def test_other_data_are_refused_until_they_are_accepted(study: tuple[Store, Path]) -> None:
    store, file = study
    file.write_text("1 \n2 \n3 \n4 \n5 \n7")
    before = {path: store.read(path) for path in store.files()}
    with pytest.raises(DataError, match="has other values"):
        _gone_on(store, 2)
    assert {path: store.read(path) for path in store.files()} == before
    _gone_on(store, 2, accept_changes=True)
    _gone_on(store, 3)
    assert len(load_results(store.uri).epochs) == 3
    assert store.read_json(layout.session(2))["data_changes"] == [
        "train.x has other values in the same shape",
        "train.y has other values in the same shape",
    ]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    yield place
    close_shared_folders()


@pytest.mark.usefixtures("temporary")
def test_the_workers_of_a_session_share_a_folder(tmp_path: Path) -> None:
    store = Store(tmp_path / "study")
    found = []
    for session, mark in ((1, "a"), (1, "a"), (2, "b"), (1, "c")):
        store.write(layout.session(session), json.dumps({"mark": mark}))
        found.append(shared_caches(store, session).path)
    assert found[0] == found[1]
    assert len(set(found)) == 3
