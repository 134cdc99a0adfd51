"""An error of the user's code as text."""

import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.execution.worker.failures import advice, failure_text


def _raised(error: BaseException, code: Any = None) -> BaseException:
    """The error with a traceback."""
    try:
        if code is not None:
            exec(code, {"error": error})
        raise error
    except BaseException as caught:
        return caught


def advised(error: BaseException, started_in: Path, shared: str | None = None) -> str:
    """The advice on an error of a trial."""
    return advice(error, started_in=started_in, shared=shared)


def test_the_first_line_is_a_sentence_and_the_traceback_follows() -> None:
    """A failure's text begins with the error and, if known, a remedy, and the traceback follows."""
    error = _raised(ValueError("no such layer"))
    first, *rest = failure_text(error, "").splitlines()
    assert first == "ValueError: no such layer"
    assert rest[0] == ""
    assert rest[1] == "Traceback (most recent call last):"
    assert rest[-1] == "ValueError: no such layer"
    assert failure_text(error, "Take another.").splitlines()[0] == "ValueError: no such layer. Take another."


def test_further_lines_of_a_message_stay() -> None:
    """Further lines of an error's message are kept between the sentence and the traceback."""
    assert failure_text(_raised(ValueError("one.\ntwo\nthree")), "Do it.").splitlines()[:4] == [
        "ValueError: one. Do it.",
        "two",
        "three",
        "",
    ]


def test_other_shapes_of_a_generator_have_advice(tmp_path: Path) -> None:
    """TensorFlow's error about a batch of another shape is reported with what to do about the generator."""
    text = (
        "Graph execution error:\nTypeError: `generator` yielded an element of shape (8, 6) where another was expected."
    )
    assert "output_signature" in advised(_raised(ValueError(text)), tmp_path)


def test_flags_of_absl_that_workers_do_not_parse_have_advice(tmp_path: Path) -> None:
    """A flag that only `app.run` parses is explained with the line that parses it in workers, too."""
    from absl import flags

    values = flags.FlagValues()
    flags.DEFINE_integer("steps", 3, "Steps.", flag_values=values)
    with pytest.raises(flags.UnparsedFlagAccessError) as caught:
        _ = values.steps
    assert "put flags.FLAGS(sys.argv) after the definitions" in advice(
        caught.value, {}, {}, started_in=tmp_path, shared=None
    )


@pytest.mark.parametrize("rows", [(4,), (4, 1)])
def test_integer_labels_have_advice(tmp_path: Path, rows: tuple[int, ...]) -> None:
    """Keras' error about integer labels with categorical_crossentropy is reported with the loss that takes them."""
    import keras
    import tensorflow as tf

    with pytest.raises(ValueError, match="must have the same") as raised:
        tf.function(keras.losses.categorical_crossentropy).get_concrete_function(
            tf.TensorSpec((None, *rows[1:])), tf.TensorSpec((None, 3))
        )
    assert advised(raised.value, tmp_path).startswith("Integer labels need loss='sparse_categorical_crossentropy'")


def test_a_file_that_hides_keras_is_named_before_keras_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import from keras that finds a file of the user is not taken for code of Keras 2."""
    error = _raised(ImportError("cannot import name 'np_utils' from 'keras.utils'", name="keras.utils"))
    assert "Keras 3" in advised(error, tmp_path)
    (tmp_path / "keras.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert advised(error, tmp_path).startswith(f"{tmp_path}/keras.py hides the package keras")


def _missing(name: str | bytes) -> BaseException:
    return _raised(FileNotFoundError(2, "No such file", name))


def test_a_file_beside_the_start_is_named(tmp_path: Path) -> None:
    """The advice on a missing file names the folder where the study was started if the file is there."""
    (tmp_path / "values.txt").write_text("1")
    for name in ("values.txt", b"values.txt"):
        reported = advised(_missing(name), tmp_path)
        assert reported.startswith(f"The file is in {tmp_path}, where the study was started")
    assert advised(_missing("other.txt"), tmp_path) == ""
    assert advised(_missing(os.fspath(tmp_path / "values.txt")), tmp_path) == ""


@pytest.mark.parametrize(
    ("error", "code", "reported"),
    [
        (OSError("is a folder"), None, True),
        (ValueError("x"), None, False),
        (ValueError("x"), compile("raise error", "/x/keras/src/callbacks/backup.py", "exec"), True),
        (ValueError("x"), compile("raise error", "/x/my_callbacks.py", "exec"), False),
    ],
)
def test_a_shared_path_is_named_where_it_may_be_the_reason(
    tmp_path: Path, error: BaseException, code: Any, reported: bool
) -> None:
    """The advice on an error names a shared path if the error is the system's or was raised within a callback."""
    shared = "BackupAndRestore writes to /x."
    assert advised(_raised(error, code), tmp_path, shared) == (shared if reported else "")
    assert advised(_raised(error, code), tmp_path) == ""
