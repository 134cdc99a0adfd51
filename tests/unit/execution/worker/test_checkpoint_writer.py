"""A trial's checkpoints, as its worker keeps them."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.engine.messages import Assignment, EpochRow
from pipeline.errors import StorageError, Superseded
from pipeline.execution.worker.checkpoint_writer import CheckpointWriter, StoredCheckpoint, learner_part
from pipeline.storage import Checkpoint, Store
from tests.unit.execution.recorded_curves import row

STATE = Checkpoint({"epoch": 1}, [np.arange(3.0)])


def assignment(trial_id: str = "0000", segment: int = 1) -> Assignment:
    """A trial."""
    return Assignment(trial_id, {"x": 0.5}, 0, segment=segment)


def written(writer: CheckpointWriter, epoch: int, *, segment: int = 1) -> None:
    """Write a checkpoint and wait for it."""
    writer.write(
        "0000",
        epoch,
        writer.snapshot(assignment(segment=segment), STATE, epoch=epoch, best=0.5, ended=False, rows=[row(1, 0.5)]),
    )
    writer.written(wait=True)


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    """A checkpoint that is read has the learner's state, the lineage, the best value and the rows."""
    writer = CheckpointWriter(Store(tmp_path), session=1)
    written(writer, 3)
    found = writer.newest(assignment())
    assert found.header["lineage"] == {
        "trial_id": "0000", "epoch": 3, "segment": 1, "segment_session": 0, "config": {"x": 0.5}, "seed": 0,
    }  # fmt: skip
    assert found.header["best"] == 0.5
    assert EpochRow.from_json(found.header["rows"][0]) == row(1, 0.5)
    assert learner_part(found).header == {"epoch": 1}
    np.testing.assert_array_equal(found.arrays[0], np.arange(3.0))


def test_the_rows_of_a_state_that_is_not_written_are_not_converted(tmp_path, monkeypatch):
    """A trial keeps a state of each epoch that improves: most are never written, so their rows stay as they are."""
    monkeypatch.setattr(EpochRow, "to_json", lambda _: pytest.fail("A row was converted."))
    rows = [row(epoch, 0.5) for epoch in (1, 2, 3)]
    writer = CheckpointWriter(Store(tmp_path), session=1)
    state = writer.snapshot(assignment(), STATE, epoch=3, best=0.5, ended=False, rows=rows)
    rows.append(row(4, 0.5))
    assert [each.epoch for each in state.header["rows"]] == [1, 2, 3]


def test_the_storage_is_not_asked_for_checkpoints_of_a_new_trial(tmp_path, monkeypatch):
    """Of a trial that no worker has had before, no checkpoint is looked for."""
    writer = CheckpointWriter(Store(tmp_path), session=1)
    written(writer, 3)
    monkeypatch.setattr(Store, "files", lambda *_: pytest.fail("The storage was listed."))
    assert writer.newest(replace(assignment(), new=True)) is None


def test_each_written_checkpoint_is_reported_once_with_its_size(tmp_path):
    """Each checkpoint is reported once, with its epoch and size, after it was written."""
    writer, store = CheckpointWriter(Store(tmp_path), session=1), Store(tmp_path)
    for epoch in (1, 2):
        writer.write("0000", epoch, writer.snapshot(assignment(), STATE, epoch=epoch, best=None, ended=False, rows=[]))
    reported = writer.written(wait=True)
    assert [(each.epoch, each.bytes) for each in reported] == [(int(p[-11:-5]), size) for p, size in store.sizes()]
    assert writer.written(wait=True) == []


def test_the_newest_intact_checkpoint_of_the_segment_is_used(tmp_path, capsys):
    """The newest intact checkpoint of the segment is used; damaged ones are named and older segments ignored."""
    writer = CheckpointWriter(Store(tmp_path), session=1)
    written(writer, 2)
    written(writer, 4)
    (tmp_path / "checkpoints/0000/000004.ckpt").write_bytes(b"tunepipe, but not really")
    assert writer.newest(assignment()).header["lineage"]["epoch"] == 2
    reported = capsys.readouterr().out
    assert "000004.ckpt" in reported
    assert "The older checkpoint checkpoints/0000/000002.ckpt is used." in reported
    assert writer.newest(assignment(segment=2)) is None


def test_a_checkpoint_of_another_config_or_seed_is_not_used(tmp_path):
    """A checkpoint with another config or seed, left by a killed driver, is not used."""
    writer = CheckpointWriter(Store(tmp_path), session=1)
    written(writer, 2)
    assert writer.newest(replace(assignment(), config={"x": 0.7})) is None
    assert writer.newest(replace(assignment(), seed=1)) is None
    assert writer.newest(replace(assignment(), attempt=2)) is not None


def test_a_checkpoint_of_another_sessions_segment_is_not_used(tmp_path):
    """A checkpoint of a segment that another session began, with other weights, is not used."""
    writer = CheckpointWriter(Store(tmp_path), session=1)
    first = replace(assignment(segment=2), segment_session=1)
    writer.write("0000", 4, writer.snapshot(first, STATE, epoch=4, best=None, ended=False, rows=[]))
    writer.written(wait=True)
    assert writer.newest(replace(first, segment_session=2)) is None
    assert writer.newest(first) is not None


def test_checkpoints_that_are_found_are_reported(tmp_path):
    """Checkpoints that a lost worker left unreported are found and reported with their sizes."""
    store = Store(tmp_path)
    written(CheckpointWriter(store, session=1), 2)
    writer = CheckpointWriter(store, session=1)
    writer.newest(assignment())
    ((_, size),) = store.sizes()
    assert writer.written(wait=True) == [StoredCheckpoint(2, size, found=True)]
    assert writer.written(wait=True) == []


def test_a_worker_of_a_replaced_driver_writes_nothing(tmp_path):
    """A worker stops writing as soon as a later session exists, even if its driver has not noticed."""
    writer, store = CheckpointWriter(Store(tmp_path), session=1), Store(tmp_path)
    store.write("sessions/0002.json", "{}")
    with pytest.raises(Superseded, match="session 2, has taken over"):
        written(writer, 1)
    assert store.files("checkpoints") == []


def test_a_local_study_is_checked_before_each_checkpoint(tmp_path):
    """A worker in a local folder finds a later session that has begun right after its last checkpoint."""
    writer, store = CheckpointWriter(Store(tmp_path), session=1), Store(tmp_path)
    written(writer, 1)
    before = store.files("checkpoints")
    store.write("sessions/0002.json", "{}")
    with pytest.raises(Superseded, match="session 2, has taken over"):
        written(writer, 2)
    assert store.files("checkpoints") == before


def test_checkpoints_of_another_trial_are_not_reported(tmp_path):
    """Newer checkpoints that a killed driver's trial of the same number has left are not found as the trial's own."""
    writer = CheckpointWriter(Store(tmp_path), session=1)
    other = replace(assignment(), config={"x": 0.9})
    for epoch, owner in ((3, assignment()), (6, assignment()), (40, other), (50, other)):
        checkpoint = writer.snapshot(owner, STATE, epoch=epoch, best=None, ended=False, rows=[])
        writer.write("0000", epoch, checkpoint)
    writer.written(wait=True)
    assert writer.newest(assignment()).header["lineage"]["epoch"] == 6
    assert [each.epoch for each in writer.written(wait=True)] == [3, 6]
    assert writer.newest(replace(assignment(), config={"x": 0.1})) is None
    assert writer.written(wait=True) == []


def test_a_storage_error_is_raised_when_the_result_is_requested(tmp_path):
    """A storage error in the writer's thread is raised in the thread that asks for the result."""
    (tmp_path / "checkpoints").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="Cannot write"):
        written(CheckpointWriter(Store(tmp_path), session=1), 1)


def test_without_an_intact_checkpoint_the_trial_starts_again(tmp_path, capsys):
    """If no checkpoint is intact, the message says that the trial starts again and promises no older one."""
    writer = CheckpointWriter(Store(tmp_path), session=1)
    written(writer, 2)
    (tmp_path / "checkpoints/0000/000002.ckpt").write_bytes(b"tunepipe, but not really")
    assert writer.newest(assignment()) is None
    reported = capsys.readouterr().out
    assert "000002.ckpt" in reported
    assert reported.endswith("There is no older checkpoint: the trial starts again from the beginning.\n")
