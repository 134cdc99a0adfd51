"""A trial's checkpoints, as its worker keeps them."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.course.messages import Assignment
from pipeline.errors import StorageError, Superseded
from pipeline.execution.keeping import Keeper, learner_part
from pipeline.storage import Checkpoint, Store
from tests.unit.execution.played import row

STATE = Checkpoint({"epoch": 1}, [np.arange(3.0)])


def assignment(trial_id: str = "0000", segment: int = 1) -> Assignment:
    """A trial."""
    return Assignment(trial_id, {"x": 0.5}, 0, segment=segment)


def written(keeper: Keeper, epoch: int, *, segment: int = 1) -> None:
    """Write a checkpoint and wait for it."""
    keeper.write(
        "0000",
        epoch,
        keeper.snapshot(assignment(segment=segment), STATE, epoch=epoch, best=0.5, ended=False, rows=[row(1, 0.5)]),
    )
    keeper.written(wait=True)


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    """The learner's state, the lineage, the best value and the rows."""
    keeper = Keeper(Store(tmp_path), session=1)
    written(keeper, 3)
    found = keeper.newest(assignment())
    assert found.header["lineage"] == {"trial_id": "0000", "epoch": 3, "segment": 1, "config": {"x": 0.5}, "seed": 0}
    assert found.header["best"] == 0.5
    assert len(found.header["rows"]) == 1
    assert learner_part(found).header == {"epoch": 1}
    np.testing.assert_array_equal(found.arrays[0], np.arange(3.0))


def test_what_was_written_is_told_once_with_its_size(tmp_path):
    """The driver learns which epochs lie in the storage."""
    keeper, store = Keeper(Store(tmp_path), session=1), Store(tmp_path)
    for epoch in (1, 2):
        keeper.write("0000", epoch, keeper.snapshot(assignment(), STATE, epoch=epoch, best=None, ended=False, rows=[]))
    told = keeper.written(wait=True)
    assert [(each.epoch, each.bytes) for each in told] == [(int(p[-11:-5]), size) for p, size in store.sizes()]
    assert keeper.written(wait=True) == []


def test_the_newest_whole_one_of_the_segment_counts(tmp_path, capsys):
    """A damaged one is passed over and named; one of an older segment is no place to go on."""
    keeper = Keeper(Store(tmp_path), session=1)
    written(keeper, 2)
    written(keeper, 4)
    (tmp_path / "checkpoints/0000/000004.ckpt").write_bytes(b"tunepipe, but not really")
    assert keeper.newest(assignment()).header["lineage"]["epoch"] == 2
    assert "000004.ckpt" in capsys.readouterr().out
    assert keeper.newest(assignment(segment=2)) is None


def test_one_of_another_config_or_seed_is_no_place_to_go_on(tmp_path):
    """A killed driver had drawn another trial of that number, of which no state tells."""
    keeper = Keeper(Store(tmp_path), session=1)
    written(keeper, 2)
    assert keeper.newest(replace(assignment(), config={"x": 0.7})) is None
    assert keeper.newest(replace(assignment(), seed=1)) is None
    assert keeper.newest(replace(assignment(), attempt=2)) is not None


def test_a_worker_of_a_replaced_driver_writes_nothing(tmp_path):
    """As soon as a later session has begun, whatever the driver itself has noticed."""
    keeper, store = Keeper(Store(tmp_path), session=1), Store(tmp_path)
    store.write("sessions/0002.json", "{}")
    with pytest.raises(Superseded, match="session 2, has taken over"):
        written(keeper, 1)
    assert store.files("checkpoints") == []


def test_a_storage_that_cannot_be_written_is_told_when_it_is_asked_for(tmp_path):
    """Not in the thread that nobody watches."""
    (tmp_path / "checkpoints").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="Cannot write"):
        written(Keeper(Store(tmp_path), session=1), 1)
