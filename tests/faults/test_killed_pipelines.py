"""One of two workers is killed by SIGKILL in the middle of a trial on a pipeline."""

import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline import TuneJob, load_results, run
from pipeline.execution.models import load_model, rerun
from pipeline.results.tables.load import Results
from pipeline.storage import Store
from tests.faults.killed_pipelines import PHASED, PIPELINE, SHARED, parquet_tables, streamed
from tests.s3 import CREDENTIALS, object_store

_COLUMNS = ["trial_id", "epoch", "loss", "val_loss", "phase"]


def _run(job: TuneJob, storage: Any, name: str, marker: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """Run a study, one of whose workers is killed unless the marker exists."""
    monkeypatch.setenv("KILLED_ONCE", str(marker))
    run(job, storage=storage, name=name)
    assert marker.exists()
    return load_results(Store(storage).folder(name).uri)


def _rows(results: Results) -> list[Any]:
    rows: list[Any] = results.epochs.sort_values(["trial_id", "epoch"])[_COLUMNS].values.tolist()
    return rows


def _both(job: TuneJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a study without a kill and one with a kill, and compare their epochs."""
    (tmp_path / "undisturbed").touch()
    undisturbed = _run(job, tmp_path, "calm", tmp_path / "undisturbed", monkeypatch)
    killed = _run(job, tmp_path, "hit", tmp_path / "killed", monkeypatch)
    assert _rows(killed) == _rows(undisturbed)
    assert len(killed.epochs) == 10
    assert sorted(killed.trials["attempts"]) == [1, 2]


@pytest.mark.long
@pytest.mark.parametrize("job", [PIPELINE, PHASED], ids=["shuffled and augmented", "phases"])
def test_a_trial_whose_worker_was_killed_continues_exactly(tmp_path, monkeypatch, job: TuneJob) -> None:
    """Every metric of every epoch equals that of a study without a kill, and one trial has two attempts."""
    _both(job, tmp_path, monkeypatch)


@pytest.mark.long
def test_workers_share_what_one_of_them_has_made(tmp_path, monkeypatch) -> None:
    """Two workers and the replacement of a killed one create each element once, and no file remains."""
    # A short path: Ray's sockets lie below it.
    with TemporaryDirectory(prefix="tp-") as place:
        monkeypatch.setattr("tempfile.tempdir", place)
        monkeypatch.setenv("TMPDIR", place)
        _both(SHARED, tmp_path, monkeypatch)
        assert list(Path(place).glob("tunepipe-shared-*")) == []
    for name in ("undisturbed", "killed"):
        assert len((tmp_path / f"{name}.made").read_text().splitlines()) == 40


@pytest.mark.long
def test_a_stream_from_an_object_store_continues_exactly(tmp_path, monkeypatch) -> None:
    """A study on S3 that streams images from S3 equals one on local files after a worker was killed.

    Its model is rebuilt from the checkpoint, too.
    """
    local = tmp_path / "images"
    local.mkdir()
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with object_store() as s3:
        for name, table in parquet_tables().items():
            pq.write_table(table, local / name, row_group_size=20)
            written = io.BytesIO()
            pq.write_table(table, written, row_group_size=20)
            Store(s3.uri("images")).write(name, written.getvalue())
        (tmp_path / "undisturbed").touch()
        calm = _run(streamed(f"{local}/"), tmp_path, "calm", tmp_path / "undisturbed", monkeypatch)
        uri, mark, query = s3.uri("images").partition("?")
        job = streamed(f"{uri}/{mark}{query}")
        storage = s3.uri("studies")
        killed = _run(job, storage, "hit", tmp_path / "killed", monkeypatch)
        assert _rows(killed) == _rows(calm)
        assert sorted(killed.trials["attempts"]) == [1, 2]
        store = Store(storage).folder("hit")
        again = rerun(store.uri, trial="0001")
        assert again.equal
        assert not again.other_data
        assert load_model(store.uri, trial="0001").input_shape == (None, 6, 6, 1)
