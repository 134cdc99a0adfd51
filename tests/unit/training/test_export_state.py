"""The state of a function as files."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.training.function_state import is_model, write_state


def _model() -> keras.Model:
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])


def test_a_tree_is_json_with_arrays_beside_it(tmp_path: Path) -> None:
    """A tree of values is exported as JSON, with each array or bytes value in a file named by its place."""
    state = {"step": 3, "w": np.arange(3.0), "more": [{"b": np.float32(0.5)}, "text", None], "raw": b"12"}
    files = write_state(state, tmp_path)
    assert [file.name for file in files] == ["state.json", "arrays.npz"]
    assert json.loads((tmp_path / "state.json").read_text()) == {
        "step": 3,
        "w": {"array": "w"},
        "more": [{"b": {"array": "more.0.b"}}, "text", None],
        "raw": {"array": "raw"},
    }
    arrays = np.load(tmp_path / "arrays.npz")
    np.testing.assert_array_equal(arrays["w"], np.arange(3.0))
    assert arrays["more.0.b"] == np.float32(0.5)
    assert arrays["raw"].tobytes() == b"12"


def test_names_that_would_be_equal_differ(tmp_path: Path) -> None:
    """Characters that no file name can have are replaced, and the resulting names stay distinct."""
    write_state({"a b": np.zeros(1), "a/b": np.ones(1)}, tmp_path)
    found = json.loads((tmp_path / "state.json").read_text())
    assert found["a b"] != found["a/b"]
    arrays = np.load(tmp_path / "arrays.npz")
    assert arrays[found["a/b"]["array"]].tolist() == [1.0]


def test_a_model_is_a_keras_file(tmp_path: Path) -> None:
    """A Keras model is exported as a .keras file, alone or within a tree of values."""
    model = _model()
    assert is_model(model)
    assert not is_model({"model": model})
    assert write_state(model, tmp_path) == [tmp_path / "model.keras"]
    assert [file.name for file in write_state({"net": model, "step": 1}, tmp_path)] == ["state.json", "files"]
    assert json.loads((tmp_path / "state.json").read_text()) == {"net": {"path": "net.keras"}, "step": 1}
    loaded = keras.saving.load_model(tmp_path / "files/net.keras")
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_files_are_copied(tmp_path: Path, kind: str) -> None:
    """A file or a folder is copied, and replaces the files of an earlier export."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "inner.txt").write_text("x")
    target = tmp_path / "target"
    target.mkdir()
    write_state({"w": np.zeros(1)}, target)
    assert write_state(source if kind == "folder" else source / "inner.txt", target) == [target / "files"]
    assert [path.name for path in target.iterdir()] == ["files"]
    assert (target / "files/inner.txt").read_text() == "x"
