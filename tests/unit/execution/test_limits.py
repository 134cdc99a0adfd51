"""How many trials a study has, and why there are fewer than were asked for."""

import pytest

from pipeline import Budget, Choice, Grid, Objective, TuneJob, Uniform, run
from pipeline.study.drawing import fewer, trials_in_all
from tests.unit.execution.played import steps


def job(**fields):
    """A function's job with a budget of eight trials."""
    given = {"name": "s", "function": steps, "objectives": [Objective("score", "max")], "scheduler": "fifo"}
    return TuneJob(**{**given, "budget": Budget(trials=8, epochs=2), **fields})


@pytest.mark.parametrize(
    ("fields", "count", "told"),
    [
        ({"space": {"x": Uniform(0, 1)}}, 8, None),
        ({"space": {"x": 0.5}}, 1, "all 8 trials would be alike: 1 is run"),
        ({"space": {"x": 0.5}, "trial_seeds": True}, 8, None),
        ({"space": {"x": 0.5}, "budget": Budget(trials=1, epochs=2)}, 1, None),
        ({"space": {"x": Grid([1, 2, 3])}, "searcher": "grid"}, 3, "There are 3 configs to draw: 3 trials are run, not 8"),
        ({"space": {"x": Choice([1, 2, 3])}}, 8, None),
    ],
)
def test_fewer_trials_than_the_budget_are_explained(fields, count, told):
    """Constants alone make one trial, a grid as many as it has; both are said, and nothing else is."""
    assert trials_in_all(job(**fields)) == count
    assert fewer(job(**fields)) is None if told is None else told in fewer(job(**fields))


def test_it_is_said_once_when_the_study_starts(tmp_path):
    """A new study says it through `note`; one that is resumed does not say it again."""
    notes = []
    alike = job(space={"x": 0.5}, resources={"workers": 0})
    run(alike, storage=tmp_path, note=notes.append)
    run(alike, storage=tmp_path, resume=True, note=notes.append)
    assert [note.partition(",")[0] for note in notes] == ["The space draws nothing"]
