"""What is known of a library."""

import ast
import contextlib
import sys
from pathlib import Path

import pytest

from pipeline.adapters.jobs import LIBRARIES


@pytest.mark.parametrize("name", LIBRARIES)
def test_the_module_that_a_study_copies_has_the_functions_of_the_job(name: str) -> None:
    """The module that a study copies for a library defines each function that a field of the job may have."""
    library = LIBRARIES[name]
    tree = ast.parse(library.text.format(title="kt.py:build", module="kt", name="build"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert defined == set(library.adapter(None, "", None).functions)
    assert library.module_name("kt") == f"kt_from_{name.replace('-', '_')}"


def test_a_module_runs_as_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that is imported within a library's context runs up to its search, whose call is kept."""
    text = "import optuna\nstudy = optuna.create_study()\nstudy.optimize(print, n_trials=3)\nafter = 1\n"
    (tmp_path / "op_library.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with LIBRARIES["optuna"].running("op_library") as program, contextlib.suppress(KeyError):
        __import__("op_library")
    found = program()
    sys.modules.pop("op_library")
    assert found.call is not None
    assert (found.call.target, found.call.arguments["trials"]) == (print, 3)
    assert not hasattr(found.module, "after")
