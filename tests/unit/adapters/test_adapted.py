"""What a program tunes, by its name or by the call that ends the program."""

import contextlib
from pathlib import Path

import pytest

from pipeline.adapters.optuna import Adapted
from pipeline.adapters.program import load

PROGRAM = """
from pipeline.adapters.program import end_here

def tuned(trial):
    return 1

def other(trial):
    return 2

end_here(tuned, {"directions": ["minimize"]})
"""


@pytest.mark.parametrize(("name", "called"), [("", True), ("tuned", True), ("other", False)])
def test_a_call_counts_for_what_it_tunes(
    name: str, called: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An adapted object has the call that ended its program only if that call tunes this object."""
    (tmp_path / "op_adapted.py").write_text(PROGRAM)
    program = load(tmp_path / "op_adapted.py", contextlib.nullcontext)
    adapted = Adapted(lambda: program, name)
    assert (adapted.call is not None) is called
    assert adapted.named is getattr(program.module, name, None)


def test_an_object_needs_no_program() -> None:
    """An adapted object without a program has neither a name nor a call."""
    adapted = Adapted(None, "", print)
    assert (adapted.program, adapted.named, adapted.call, adapted.is_complete({})) == (None, None, None, True)
