"""The export of a study's winner, and the document about it."""

import json
from pathlib import Path

import pytest

from pipeline.engine.messages import Assignment
from pipeline.errors import Superseded
from pipeline.execution.worker.winner import store_export, winner_document
from pipeline.storage import Store
from pipeline.study import Objective, layout


def test_the_document_has_the_value_by_which_the_winner_was_chosen() -> None:
    """The winner's document has the objective's value even without a test split; non-finite test metrics are null."""
    assignment = Assignment("0003", {"x": 0.5}, 7, task="finish", epoch=4, value=0.9)
    assert json.loads(winner_document(assignment, Objective("val_loss", "min"), {})) == {
        "trial_id": "0003", "epoch": 4, "config": {"x": 0.5},
        "objective": {"metric": "val_loss", "mode": "min", "value": 0.9}, "metrics": {},
    }  # fmt: skip
    evaluated = winner_document(assignment, Objective("val_loss", "min"), {"test_loss": float("inf")})
    assert json.loads(evaluated)["metrics"] == {"test_loss": None}


def _exported(folder: Path, *names: str, content: str) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).write_text(content)
    return folder


def test_an_export_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """The files of another winner replace those of the last one, including those that the new one does not have."""
    store = Store(tmp_path / "s")
    old = _exported(tmp_path / "a", "architecture.json", "model.keras", "winner.json", content="old")
    new = _exported(tmp_path / "b", "model.keras", "provenance.json", "winner.json", content="new")
    store.write("export/notes.txt", "mine")
    for folder in (old, new):
        store_export(store, folder, lambda: None)
    assert {path: store.read_text(path) for path in store.files()} == {
        "export/model.keras": "new",
        "export/notes.txt": "mine",
        "export/provenance.json": "new",
        "export/winner.json": "new",
    }


@pytest.mark.parametrize("last", range(5))
def test_files_of_two_winners_are_never_taken_for_one(tmp_path: Path, last: int) -> None:
    """An export that ends in between leaves no winner.json with the files of another winner."""
    store, checks = Store(tmp_path / "s"), iter(range(last))
    names = ("architecture.json", "model.keras", "winner.json")
    store_export(store, _exported(tmp_path / "a", *names, content="old"), lambda: None)

    def check() -> None:
        if next(checks, None) is None:
            raise Superseded("another driver")

    new = _exported(tmp_path / "b", "model.keras", "provenance.json", "winner.json", content="new")
    with pytest.raises(Superseded):
        store_export(store, new, check)
    if store.exists(layout.WINNER):
        assert {store.read_text(path) for path in store.files()} == {"old"}
