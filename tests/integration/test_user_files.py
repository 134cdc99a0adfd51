"""Files that the user's code writes while trials train in this process: separate for each trial, and found again."""

from pathlib import Path

import pytest

from pipeline import Budget, Choice, Dataset, Grid, Objective, Split, TuneJob, load_results, run, trial


def writing(config):
    """Appends a line in each epoch, and reports where it runs."""
    for epoch in range(trial().epochs):
        with Path("log.txt").open("a") as file:
            file.write(f"{trial().id} {epoch}\n")
        yield {"score": config["x"] + epoch, "epochs": trial().epochs, "seed": trial().seed}


def rows():
    """Three rows of numbers that a file in the current directory holds."""
    import numpy as np

    values = np.loadtxt("values.txt", dtype=np.float32).reshape(-1, 2)
    return Dataset("tiny", Split(values, values[:, :1]), Split(values, values[:, :1]))


def build_model(config):
    """A model of one layer."""
    import keras

    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(config["lr"]), loss="mse")
    return model


def callbacks(config):
    """Callbacks that write files, as programs use them, all by relative paths."""
    import keras

    return [
        keras.callbacks.CSVLogger("log.csv", append=True),
        keras.callbacks.ModelCheckpoint("best_{epoch}.keras", monitor="val_loss", save_best_only=True),
        keras.callbacks.BackupAndRestore("backup"),
    ]


def function_job(**fields):
    """Two trials of the function."""
    defaults = {
        "name": "s",
        "function": writing,
        "space": {"x": Grid([0.0, 1.0])},
        "objectives": [Objective("score", "max")],
        "scheduler": "fifo",
        "searcher": "grid",
        "budget": Budget(trials=2, epochs=3),
        "resources": {"workers": 0},
    }
    return TuneJob(**{**defaults, **fields})


def model_job(**fields):
    """Two trials of the model."""
    model = {"function": None, "model": build_model, "callbacks": callbacks, "data": rows, "batch_size": 2}
    space = {"lr": Choice([0.001, 0.002])}
    return function_job(
        **{**model, "space": space, "objectives": [Objective("val_loss", "min")], "searcher": "random", **fields}
    )


@pytest.fixture
def start(tmp_path, monkeypatch):
    """The folder in which the command is called, with a file that the data function reads."""
    folder = tmp_path / "start"
    folder.mkdir()
    (folder / "values.txt").write_text("1 2\n3 4\n5 6\n")
    monkeypatch.chdir(folder)
    return folder


def test_each_trial_writes_into_a_folder_of_its_own(start, tmp_path):
    """After a resume, which replays a function in an empty folder, each trial's file has each line once."""
    run(function_job(budget=Budget(trials=2, epochs=2)), storage=tmp_path)
    run(function_job(), storage=tmp_path, resume=True)
    for number in ("0000", "0001"):
        lines = (tmp_path / f"s/files/{number}/log.txt").read_text().splitlines()
        assert lines == [f"{number} {epoch}" for epoch in range(3)]
    assert Path.cwd() == start
    assert [path.name for path in start.iterdir()] == ["values.txt"]
    assert load_results(tmp_path / "s").epochs["epochs"].max() == 3


@pytest.mark.long
def test_callbacks_go_on_with_their_files(start, tmp_path):
    run(model_job(budget=Budget(trials=2, epochs=2)), storage=tmp_path / "cut")
    run(model_job(budget=Budget(trials=2, epochs=4)), storage=tmp_path / "cut", resume=True)
    run(model_job(budget=Budget(trials=2, epochs=4)), storage=tmp_path / "whole")
    cut, whole = (load_results(tmp_path / f"{name}/s").epochs for name in ("cut", "whole"))
    assert cut["val_loss"].to_list() == whole["val_loss"].to_list()
    for number in ("0000", "0001"):
        log = (tmp_path / f"cut/s/files/{number}/log.csv").read_text()
        assert log == (tmp_path / f"whole/s/files/{number}/log.csv").read_text()
        assert log.count("\n") == 5
        assert (tmp_path / f"cut/s/files/{number}/best_4.keras").is_file()
