"""A study continues with the data with which it began."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import Objective, TuneJob, Uniform, load_results, run
from pipeline.datasets import Split, Stream
from pipeline.errors import DataError, ResourcesUnmet
from pipeline.execution import session_training
from pipeline.execution.data import shared_caches, start_loading
from pipeline.execution.rerun import rerun
from pipeline.storage import Store
from pipeline.storage.scratch import close_shared_folders
from pipeline.study import layout, load_study
from pipeline.study.files import set_data
from tests.unit.execution.recorded_curves import steps
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
    _gone_on(store, 2)
    assert len(load_results(store.uri).epochs) == 2
    file.write_text("1 \n2 \n3 \n4 \n5 \n7")
    before = {path: store.read(path) for path in store.files()}
    with pytest.raises(DataError, match="the train inputs have different values"):
        _gone_on(store, 3)
    assert {path: store.read(path) for path in store.files()} == before
    again = rerun(store.uri, trial="0000")
    assert again.other_data[0] == "the train inputs have different values, in the same shape"
    _gone_on(store, 3, accept_changes=True)
    _gone_on(store, 4)
    assert len(load_results(store.uri).epochs) == 4
    assert store.read_json(layout.session(3))["data_changes"] == [
        "the train inputs have different values, in the same shape",
        "the train targets have different values, in the same shape",
    ]
    assert rerun(store.uri, trial="0000").other_data == []


def test_a_session_is_readable_from_the_moment_that_it_accepts_other_data(
    study: tuple[Store, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, file = study
    file.write_text("1 \n2 \n3 \n4 \n5 \n7")
    sessions = []

    def recorded(folder: Store, fingerprint: Mapping[str, Any]) -> None:
        sessions.append(folder.read_json(layout.session(2)))
        set_data(folder, fingerprint)

    monkeypatch.setattr("pipeline.execution.session_training.set_data", recorded)
    _gone_on(store, 2, accept_changes=True)
    (session,) = sessions
    assert session["data_changes"][0] == "the train inputs have different values, in the same shape"
    assert [trial["trial_id"] for trial in session["resume"]["trials"]] == ["0000"]


INTERRUPTED = """
import threading
import pipeline.execution.data as data
from tune_jobs import find

def slow(job, **_):
    threading.main_thread().join()
    import pyarrow.parquet
    print("loaded")
    return None

data.load_data = slow
data.start_loading(find("digits-quick"), None, accept_changes=False)
raise SystemExit(130)
"""


def test_data_that_are_still_being_loaded_do_not_crash_the_end() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (130, "loaded\n", "")


def test_files_are_loaded_for_the_memory_of_a_clusters_nodes(tmp_path: Path) -> None:
    """Files that fit into this machine's memory are streamed where the nodes of the joined cluster have too little."""
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"x": np.arange(1000.0), "target": np.arange(1000.0)}), file, row_group_size=100)
    job, joined = find("digits-quick").replaced({"data": str(file)}), []

    def memory(_: TuneJob) -> float:
        joined.append(True)
        return 3000.0

    load = start_loading(job, None, accept_changes=False, memory_on_cluster=memory)
    assert not joined
    data, _ = load()
    assert joined
    assert isinstance(data.train, Stream)
    data, _ = start_loading(job, None, accept_changes=False)()
    assert isinstance(data.train, Split)


def test_content_that_is_not_compared_is_named_when_the_study_starts(tmp_path: Path) -> None:
    text = JOB.format(file="").replace(
        "    x = np.loadtxt('', ndmin=2) + np.random.normal(size=(6, 1))\n", "    x = np.ones((6, 1), 'float32')\n"
    )
    text = text.replace('Dataset("rows", Split(x, x),', 'Dataset("rows", lambda: iter([(x, x)]),')
    (tmp_path / "generated_job.py").write_text(text)
    notes: list[str] = []
    run(find(str(tmp_path / "generated_job.py")), storage=tmp_path / "studies", note=notes.append)
    assert any("train pipeline" in note for note in notes)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The machine's folder for temporary files."""
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


@pytest.mark.usefixtures("temporary")
def test_processes_outside_of_a_session_share_nothing(tmp_path: Path) -> None:
    """A process without a session, and one whose session cannot be read, has a separate folder."""
    store = Store(tmp_path / "study")
    assert len({shared_caches(store, session).path for session in (None, None, 7, 7)}) == 4


def test_wrong_data_end_a_study_before_ray_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_training, "run_on_ray", lambda *_, **__: pytest.fail("Ray was started"))
    (tmp_path / "missing_job.py").write_text(JOB.format(file=str(tmp_path / "missing")))
    job = find(str(tmp_path / "missing_job.py")).replaced({"resources.workers": 2})
    with pytest.raises(DataError, match="missing"):
        run(job, storage=tmp_path / "studies", note=lambda _: None)
    assert not (tmp_path / "studies/s").exists()


def test_resources_that_are_not_there_are_refused_in_this_process_too(tmp_path: Path) -> None:
    job = TuneJob(
        name="s",
        function=steps,
        space={"x": Uniform(0, 1)},
        objectives=[Objective("score", "max")],
        resources={"workers": 0, "cpus": 1000},
    )
    with pytest.raises(ResourcesUnmet, match="requests 1000 CPUs"):
        run(job, storage=tmp_path)
    assert not (tmp_path / "s").exists()
