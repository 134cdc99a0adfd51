"""What a rehearsal trains."""

from pathlib import Path

import pytest

from pipeline.execution.preflight.rehearsal import drawn
from pipeline.space import Choice
from pipeline.storage import Store
from pipeline.study import Budget, Objective
from tests.unit.execution.preflight.facts import job, steps


@pytest.mark.parametrize(("trials", "count"), [(3, 3), (100, 10)])
def test_the_configs_are_those_that_the_study_would_draw(trials: int, count: int, tmp_path: Path) -> None:
    """A rehearsal draws the configs and seeds that the study would draw, and no more than its trials."""
    tuned = job(
        function=steps,
        objectives=[Objective("score", "max")],
        space={"x": Choice(range(1000))},
        budget=Budget(trials=trials),
        trial_seeds=True,
        seed=5,
    )
    assignments = drawn(tuned, Store(tmp_path), 10)
    assert len(assignments) == count
    assert [trial.config for trial in assignments] == [
        tuned.searcher.draw(tuned.space, seed=5, index=index) for index in range(count)
    ]
    assert [trial.seed for trial in assignments][:3] == [5, 6, 7]
    assert list(tmp_path.iterdir()) == []
