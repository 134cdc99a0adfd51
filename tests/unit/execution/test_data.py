"""A study continues with the data with which it began."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pipeline.execution.preflight.data_findings import data_facts, data_finding

from pipeline import Dataset, TuneJob, load_results, run
from pipeline.datasets import Split, Stream
from pipeline.errors import DataError
from pipeline.execution.data import start_loading
from pipeline.execution.rerun import rerun
from pipeline.results.views.objects import results_object
from pipeline.storage import Store
from pipeline.study import layout, load_study
from pipeline.study.files import read_document, set_data
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
    """A finished study whose data function reads a file and draws noise; the study and the file."""
    file = tmp_path / "rows.txt"
    file.write_text("1 \n2 \n3 \n4 \n5 \n6")
    (tmp_path / "data_job.py").write_text(JOB.format(file=str(file)))
    run(find(str(tmp_path / "data_job.py")), storage=tmp_path / "studies", note=lambda _: None)
    return Store(tmp_path / "studies").folder("s"), file


def _gone_on(store: Store, epochs: int, **options: bool) -> None:
    job = load_study(store).replaced({"budget.epochs": epochs})
    run(job, storage=Path(store.uri).parent, resume=True, note=lambda _: None, **options)


def test_other_data_are_refused_until_they_are_accepted(study: tuple[Store, Path]) -> None:
    """Changed data are refused with the difference; once accepted, the study uses the new data."""
    store, file = study
    _gone_on(store, 2)
    assert len(load_results(store.uri).epochs) == 2
    file.write_text("1 \n2 \n3 \n4 \n5 \n7")
    before = {path: store.read(path) for path in store.files()}
    reported = (
        "The data differ from those that the study 's' began with: the train inputs have different values, in the same "
        "shape"
    )
    with pytest.raises(DataError, match=rf"{reported}; .*Restore the data, or accept these with --accept-changes"):
        _gone_on(store, 3)
    assert {path: store.read(path) for path in store.files()} == before
    again = rerun(store.uri, trial="0000")
    assert again.other_data[0] == "the train inputs have different values, in the same shape"
    _gone_on(store, 3, accept_changes=True)
    _gone_on(store, 4)
    results = load_results(store.uri)
    assert len(results.epochs) == 4
    assert results_object(results)["changes"] == [
        {
            "session": 3,
            "kind": "data",
            "changes": [
                "the train inputs have different values, in the same shape",
                "the train targets have different values, in the same shape",
            ],
            "trials_before": ["0000"],
            "trials_since": ["0000"],
        }
    ]
    assert rerun(store.uri, trial="0000").other_data == []


def test_a_session_is_readable_from_the_moment_that_it_accepts_other_data(
    study: tuple[Store, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session's file has the accepted changes and the state of all trials before the study takes the new data."""
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


def test_a_study_without_a_fingerprint_continues(study: tuple[Store, Path]) -> None:
    """A study without a fingerprint, from an earlier version, continues and records the fingerprint of its data."""
    store, file = study
    document = json.loads(store.read_text("study.json"))
    del document["data"]
    store.write("study.json", json.dumps(document))
    file.write_text("1 \n2 \n3 \n4 \n5 \n7")
    _gone_on(store, 2)
    assert read_document(store)["data"]["train.x"]["shape"] == [6, 1]


def test_a_seeded_rerun_is_equal(study: tuple[Store, Path]) -> None:
    """A rerun is equal although the data function draws noise, because the noise is seeded."""
    store, _ = study
    np.random.random()
    assert rerun(store.uri, trial="0000").equal


@pytest.mark.parametrize(
    ("change", "level", "reported"),
    [
        (lambda _: None, "ok", "4 train"),
        (
            lambda x: x.__setitem__((0, 0), 5),
            "error",
            "They differ from those that the study began with: the train inputs",
        ),
    ],
)
def test_check_compares_the_data_of_a_resume(change: Callable[[np.ndarray], object], level: str, reported: str) -> None:
    """A check of a resume compares the data with the study's and names a remedy."""
    x = np.zeros((4, 2))
    before = data_facts(Dataset("d", Split(x, np.zeros(4)), Split(np.zeros((2, 2)), np.zeros(2)))).fingerprint
    change(x)
    facts = data_facts(Dataset("d", Split(x, np.zeros(4)), Split(np.zeros((2, 2)), np.zeros(2))), before)
    finding = data_finding(facts)
    assert finding.level == level
    assert reported in finding.found


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
    """A process that is interrupted while data are loaded waits for the loading thread and exits with its own code."""
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
    """`run` names the splits whose content no hash covers, because a resume does not notice that it changed."""
    text = JOB.format(file="").replace(
        "    x = np.loadtxt('', ndmin=2) + np.random.normal(size=(6, 1))\n", "    x = np.ones((6, 1), 'float32')\n"
    )
    text = text.replace('Dataset("rows", Split(x, x),', 'Dataset("rows", lambda: iter([(x, x)]),')
    (tmp_path / "generated_job.py").write_text(text)
    notes: list[str] = []
    run(find(str(tmp_path / "generated_job.py")), storage=tmp_path / "studies", note=notes.append)
    assert any("train pipeline" in note for note in notes)
