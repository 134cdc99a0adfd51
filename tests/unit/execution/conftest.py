"""A study without training, for the tests of the room."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.execution.recorder import Recorder
from pipeline.execution.session import Session
from pipeline.space import Uniform
from pipeline.storage import Store
from pipeline.study import Budget, Objective, TuneJob, save_study
from tests.unit.execution.played import Study, steps


@pytest.fixture
def study(tmp_path: Any) -> Callable[..., Study]:
    """Makes a study of a function job; keyword arguments are the job's fields."""

    def make(folder: str = "s", **fields: Any) -> Study:
        defaults: dict[str, Any] = {
            "name": "s",
            "function": steps,
            "space": {"x": Uniform(0, 1)},
            "objectives": [Objective("score", "max")],
            "scheduler": "fifo",
            "budget": Budget(trials=4, epochs=4),
        }
        job = TuneJob(**{**defaults, **fields})
        store = Store(tmp_path / folder)
        save_study(store, job)
        recorder = Recorder(store, job, session=1)
        return Study(Session(job, store, recorder), recorder, store)

    return make
