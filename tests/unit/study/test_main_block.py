"""Values that a script sets only under `if __name__ == "__main__":`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.study.main_block import advice_on_main_block, main_names, notes_on_main_block

_PARSED_IN_BLOCK = """
def build(config):
    return args.width

if __name__ == "__main__":
    args = parsed()
"""
_PARSED_IN_FUNCTION = """
def main():
    global args
    args, local = parsed(), 3

def inner():
    return args.width

def build(config):
    return inner()

if __name__ == "__main__":
    main()
"""
_SET_TWICE = """
WIDTH = 8

def build(config):
    return WIDTH

if __name__ == "__main__":
    WIDTH = 16
"""
_WITHOUT_EFFECT = """
args = parsed()
used = args

def build(config):
    keras = 3
    return keras, used, [model for model in (1, 2)], config.epochs

def setup():
    global used
    used = 2

setup()

if __name__ == "__main__":
    import keras
    model = build({})
    epochs = 3
"""


def _script(folder: Path, source: str) -> dict[str, Any]:
    """The globals of a file after its definitions, as those of the script that Python runs."""
    file = folder / "train.py"
    file.write_text(source)
    home = {"__name__": "imported", "__file__": str(file), "parsed": lambda: None}
    exec(compile(source, file, "exec"), home)
    home["__name__"] = "__main__"
    return home


@pytest.mark.parametrize(
    ("source", "guarded", "imported"),
    [
        (_PARSED_IN_BLOCK, {"args"}, {"build"}),
        (_PARSED_IN_FUNCTION, {"args"}, {"main", "inner", "build"}),
        (_SET_TWICE, {"WIDTH"}, {"WIDTH", "build"}),
        (_WITHOUT_EFFECT, {"keras", "model", "epochs"}, {"args", "used", "build", "setup"}),
        (
            "if __name__ == '__main__':\n    for a, *b in []: (c := a)\n    with open(d) as e: x.f = [g for g in b]",
            "abce",
            "",
        ),
        ("if __name__ == '__main__':\n    a = b = 1\nelse:\n    a = c = 2", "ab", "ac"),
        ("if __name__ != '__main__':\n    a = 1", "", "a"),
        ("x = " + "-" * 100_000 + "1", "", ""),
        ("no Python", "", ""),
        (None, "", ""),
    ],
)
def test_the_names_that_a_file_sets(source: str | None, guarded: Any, imported: Any) -> None:
    """Names are told apart by whether the file sets them on every import, or only in its main block."""
    names = main_names(None if source is None else source.encode())
    assert (names.guarded, names.imported) == (set(guarded), set(imported))


@pytest.mark.parametrize(("source", "user"), [(_PARSED_IN_BLOCK, "build"), (_PARSED_IN_FUNCTION, "inner")])
def test_a_function_that_uses_a_value_of_the_main_block_is_noted(tmp_path: Path, source: str, user: str) -> None:
    """A note names the function, the value and the file, and says that other processes have no such value."""
    (note,) = notes_on_main_block([_script(tmp_path, source)["build"]])
    assert note.startswith(f'{user} uses args, which train.py sets under `if __name__ == "__main__":`.')
    assert "so they have no args" in note


def test_another_value_of_the_main_block_is_noted(tmp_path: Path) -> None:
    """A value that the main block replaces differs in workers, which the note says."""
    (note,) = notes_on_main_block([_script(tmp_path, _SET_TWICE)["build"]])
    assert "so they have the value that the file sets elsewhere" in note


def test_values_that_every_import_sets_are_not_noted(tmp_path: Path) -> None:
    """Local names, attributes and values set at the top level need no note, and neither does a module."""
    home = _script(tmp_path, _WITHOUT_EFFECT)
    assert list(notes_on_main_block([home["build"]])) == []
    module = _script(tmp_path, _PARSED_IN_BLOCK)
    module["__name__"] = "train"
    assert list(notes_on_main_block([module["build"]])) == []


def _raised(function: Callable[..., Any]) -> BaseException:
    try:
        function({})
    except (NameError, ValueError) as error:
        return error
    raise AssertionError


def test_an_error_about_a_value_of_the_main_block_has_advice(tmp_path: Path) -> None:
    """A NameError about such a value says where the file sets it, and where to set it."""
    advice = advice_on_main_block(_raised(_script(tmp_path, _PARSED_IN_BLOCK)["build"]))
    assert advice.startswith('train.py sets args only under `if __name__ == "__main__":`')
    assert "at the top level of the file" in advice


@pytest.mark.parametrize("source", ["def build(config):\n    return args", "def build(config):\n    raise ValueError"])
def test_other_errors_have_no_advice(tmp_path: Path, source: str) -> None:
    """A name that the file never sets, and other errors, have no advice."""
    assert advice_on_main_block(_raised(_script(tmp_path, source)["build"])) == ""
    assert advice_on_main_block(NameError("name 'args' is not defined")) == ""
