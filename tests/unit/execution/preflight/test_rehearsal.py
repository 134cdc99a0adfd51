"""What a rehearsal tells, as far as it needs no process of its own."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline import Dataset, Split
from pipeline.execution.preflight.rehearsal import data_facts, drawn, inexact_reason
from pipeline.loop.messages import Assignment
from pipeline.space import Choice
from pipeline.storage import Store
from pipeline.study import Budget, Objective
from tests.unit.execution.preflight.facts import job, steps


def test_data_are_counted_and_non_finite_numbers_found() -> None:
    """Rows, shapes and sizes of the data are reported, and where NaN or infinity occurs."""
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
    """A class that occurs only in the validation split is found, and its column is reported."""
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


@pytest.mark.parametrize(
    ("drift", "reported"),
    [
        ("none", None),
        ("each build", "trained again from the same seed, its val_loss is "),
        ("each epoch", "resumed from its checkpoint, its val_loss is "),
    ],
)
def test_epochs_that_are_not_repeatable_are_found(drift: str, reported: str | None, tmp_path: Path) -> None:
    """A first epoch that differs for one seed, and a second that differs after a checkpoint, are reported."""
    from pipeline.training.trainer_factory import TrainerFactory
    from tests.unit.training.kinds import dense, rows_of_six

    built = iter(range(100))

    def build(config: Mapping[str, Any]) -> Any:
        model = dense(config)
        rate = 0.1 + (0.1 * next(built) if drift == "each build" else 0)
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.optimizer.learning_rate = rate
        return model

    def callbacks(config: Mapping[str, Any]) -> list[Any]:
        import keras

        class Slower(keras.callbacks.Callback):  # type: ignore[misc]
            seen = 0

            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
                self.seen += 1
                self.model.optimizer.learning_rate = 0.1 / self.seen

        return [Slower()] if drift == "each epoch" else []

    tuned = job(model=build, callbacks=callbacks, objectives=[Objective("val_loss", "min")])
    worker: Any = SimpleNamespace(trainer_factory=TrainerFactory(tuned, rows_of_six()))
    learner = worker.trainer_factory.learner({}, seed=1)
    seen: Any = [learner.run_epoch() for _ in range(2)]
    found = inexact_reason(worker, tuned, Assignment("0000", {}, 1), Store(tmp_path), seen)
    assert found is None if reported is None else str(found).startswith(reported)
