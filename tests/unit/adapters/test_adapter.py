"""What a program tunes, by its name or by the call that ends the program."""

import contextlib
from pathlib import Path

import pytest

from pipeline.adapters.optuna.objective import ObjectiveAdapter
from pipeline.adapters.program import load

PROGRAM = """
from pipeline.adapters.program import end_program

def tuned(trial):
    return 1

def other(trial):
    return 2

end_program(tuned, {"directions": ["minimize"]})
"""


@pytest.mark.parametrize(("name", "called"), [("", True), ("tuned", True), ("other", False)])
def test_a_call_counts_for_what_it_tunes(
    name: str, called: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An adapter has the call that ended its program only if that call tunes its object."""
    (tmp_path / "op_adapted.py").write_text(PROGRAM)
    program = load(tmp_path / "op_adapted.py", contextlib.nullcontext)
    adapter = ObjectiveAdapter(lambda: program, name)
    assert (adapter.call is not None) is called
    assert adapter.named is getattr(program.module, name, None)


def test_an_object_needs_no_program() -> None:
    """An adapter without a program has neither a name nor a call."""
    adapter = ObjectiveAdapter(None, "", print)
    assert (adapter.program, adapter.named, adapter.call, adapter.is_complete({})) == (None, None, None, True)
