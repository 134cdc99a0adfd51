"""What a rehearsal tells, as far as it needs no process of its own."""

from pathlib import Path

import numpy as np
import pytest

from pipeline import Dataset, Split
from pipeline.execution.preflight.rehearsal import data_facts, drawn
from pipeline.space import Choice
from pipeline.storage import Store
from pipeline.study import Budget, Objective
from tests.unit.execution.preflight.told import job, steps


def test_data_are_counted_and_numbers_that_are_none_found() -> None:
    """Rows, shapes, sizes, and where NaN or infinity stands."""
    x, y = np.ones((6, 2), np.float32), np.eye(3, dtype=np.float32)[[0, 1, 0, 1, 0, 1]]
    holes = x.copy()
    holes[0, 0], holes[1, 1] = np.nan, np.inf
    facts = data_facts(
        Dataset("d", Split({"a": holes, "b": x}, y), Split({"a": x, "b": x}, y), classes=["p", "q", "r"])
    )
    assert facts.rows == {"train": 6, "validation": 6}
    assert facts.inputs == "a 2 float32, b 2 float32"
    assert (facts.targets, facts.classes) == ("3 float32", 3)
    assert facts.strange == {"inputs of train": 2}
    assert facts.unseen == []


def test_a_class_that_only_validation_has_is_found() -> None:
    """Its column is told."""
    x, y = np.ones((2, 1), np.float32), np.eye(3, dtype=np.float32)
    assert data_facts(Dataset("d", Split(x, y[[0, 1]]), Split(x, y[[0, 2]]))).unseen == [2]


@pytest.mark.parametrize(("trials", "count"), [(3, 3), (100, 10)])
def test_the_configs_are_those_that_the_study_would_draw(trials: int, count: int, tmp_path: Path) -> None:
    """Trial by trial, no more than there are or were asked for, with the seeds the study gives."""
    tuned = job(
        function=steps,
        objectives=[Objective("score", "max")],
        space={"x": Choice(range(1000))},
        budget=Budget(trials=trials),
        trial_seeds=True,
        seed=5,
    )
    found = drawn(tuned, Store(tmp_path), 10)
    assert len(found) == count
    assert [trial.config for trial in found] == [
        tuned.searcher.draw(tuned.space, seed=5, index=index) for index in range(count)
    ]
    assert [trial.seed for trial in found][:3] == [5, 6, 7]
    assert list(tmp_path.iterdir()) == []
