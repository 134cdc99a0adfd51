"""Where the callbacks of Keras write."""

from pathlib import Path

import keras
import pytest

from pipeline.study.context import TrialContext, in_trial
from pipeline.training.callbacks import shared_path, write_in_folder


@pytest.fixture
def context(tmp_path: Path) -> TrialContext:
    """A trial with a folder."""
    (tmp_path / "0003").mkdir()
    return TrialContext("0003", 1, 5, tmp_path / "0003")


def test_callbacks_of_keras_write_into_the_folder_of_the_trial(context: TrialContext, tmp_path: Path) -> None:
    """Where trials work in another folder, relative paths of Keras' callbacks lead to the trial's own, others stay."""

    class Mine(keras.callbacks.Callback):
        filename = None

    mine = Mine()
    mine.filename = "mine.txt"
    callbacks = [
        keras.callbacks.ModelCheckpoint("best_{epoch}.keras"),
        keras.callbacks.CSVLogger("/tmp/log.csv"),
        keras.callbacks.TensorBoard("gs://bucket/logs"),
        keras.callbacks.BackupAndRestore("backup"),
        mine,
    ]
    own = context.folder
    with in_trial(context, tmp_path):
        write_in_folder(callbacks)
        assert shared_path(callbacks[:1] + callbacks[2:], ["0003"]) is None
        assert "CSVLogger writes to /tmp/log.csv" in str(shared_path(callbacks, ["0003"]))
    checkpoint, log, board, backup, _ = callbacks
    assert checkpoint.filepath == f"{own}/best_{{epoch}}.keras"
    assert (log.filename, board.log_dir, mine.filename) == ("/tmp/log.csv", "gs://bucket/logs", "mine.txt")
    paths = {value for name, value in vars(backup).items() if name == "backup_dir" or name.endswith("_weights_path")}
    assert paths == {f"{own}/backup", f"{own}/backup/latest.weights.h5", f"{own}/backup/latest.weights.h5.bkp"}


def test_paths_stay_in_the_folder_of_the_trial(context: TrialContext) -> None:
    """Where the trial's folder is the current directory, and outside of a trial, paths stay as they are."""
    callback = keras.callbacks.CSVLogger("log.csv")
    write_in_folder([callback])
    with in_trial(context):
        write_in_folder([callback])
    assert callback.filename == "log.csv"
