"""The document about a study's winner."""

import json

from pipeline.execution.worker.winner import winner_document
from pipeline.loop.messages import Assignment
from pipeline.study import Objective


def test_the_document_has_the_value_by_which_the_winner_was_chosen() -> None:
    """The winner's document has the objective's value even without a test split; non-finite test metrics are null."""
    assignment = Assignment("0003", {"x": 0.5}, 7, task="finish", epoch=4, value=0.9)
    assert json.loads(winner_document(assignment, Objective("val_loss", "min"), {})) == {
        "trial_id": "0003", "epoch": 4, "config": {"x": 0.5},
        "objective": {"metric": "val_loss", "mode": "min", "value": 0.9}, "metrics": {},
    }  # fmt: skip
    evaluated = winner_document(assignment, Objective("val_loss", "min"), {"test_loss": float("inf")})
    assert json.loads(evaluated)["metrics"] == {"test_loss": None}
