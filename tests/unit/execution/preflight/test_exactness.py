"""Whether trials resume exactly."""

import datetime
from collections.abc import Iterator, Mapping
from itertools import count, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import Dataset
from pipeline.engine.messages import Assignment
from pipeline.execution.preflight.exactness import exactness_finding, function_exactness, inexact_reason
from pipeline.storage import Store
from pipeline.study import Budget, Objective
from tests.unit.execution.preflight.facts import job, steps, trained


@pytest.mark.parametrize(
    ("drift", "reported"),
    [
        ("none", None),
        ("each build", "trained again from the same seed, its val_loss is "),
        ("each epoch", "resumed from its checkpoint, its val_loss is "),
        ("a date", "its callback Dated has changed its attribute last, an object of type datetime, which is not saved"),
    ],
)
def test_epochs_that_are_not_repeatable_are_found(drift: str, reported: str | None, tmp_path: Path) -> None:
    """A first epoch that differs for one seed, a second that differs after a checkpoint, and state are reported."""
    from pipeline.training.trainer_factory import TrainerFactory
    from tests.unit.training.model_kinds import dense, rows_of_six

    built = iter(range(100))

    def build(config: Mapping[str, Any]) -> Any:
        model = dense(config)
        rate = 0.1 + (0.1 * next(built) if drift == "each build" else 0)
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.optimizer.learning_rate = rate
        return model

    def callbacks(config: Mapping[str, Any]) -> list[Any]:
        import keras

        seen = [0]

        class Slower(keras.callbacks.Callback):  # type: ignore[misc]
            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
                # No attribute of the callback: those are saved.
                seen[0] += 1
                self.model.optimizer.learning_rate = 0.1 / seen[0]

        class Dated(keras.callbacks.Callback):  # type: ignore[misc]
            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                self.last = datetime.datetime.now()

        return {"each epoch": [Slower()], "a date": [Dated()]}.get(drift, [])

    tuned = job(model=build, callbacks=callbacks, objectives=[Objective("val_loss", "min")])
    worker: Any = SimpleNamespace(trainer_factory=TrainerFactory(tuned, rows_of_six()), directory=None)
    learner = worker.trainer_factory.learner({}, seed=1)
    seen: Any = [learner.run_epoch() for _ in range(2)]
    reason = inexact_reason(worker, tuned, Assignment("0000", {}, 1), Store(tmp_path), seen)
    assert reason is None if reported is None else str(reason).startswith(reported)


def _given() -> Any:
    """Data from a pipeline that is built outside of the function."""
    return Dataset(train=PIPELINES[0], validation=PIPELINES[1])


PIPELINES: list[Any] = []


def test_a_pipeline_that_is_built_outside_of_the_data_function_is_the_reason(tmp_path: Path) -> None:
    """Where trials read a shuffled pipeline on, the reason names the pipeline, as a study's note does."""
    import tensorflow as tf

    rows = tf.data.Dataset.from_tensor_slices(([[0.0, 1.0]] * 8, [0] * 8))
    PIPELINES[:] = rows.shuffle(8, seed=3).batch(4), rows.batch(4)
    tuned = job(data=_given, objectives=[Objective("val_loss", "min")])
    learner = SimpleNamespace(inexact=None, close=lambda: None)
    worker: Any = SimpleNamespace(trainer_factory=SimpleNamespace(learner=lambda *_, **__: learner), directory=None)
    reason = inexact_reason(worker, tuned, Assignment("0000", {}, 1), Store(tmp_path), [], _given())
    PIPELINES.clear()
    assert str(reason).startswith("its train data come from a tf.data pipeline that is built outside the data function")


def test_a_replay_is_reported_with_its_seconds() -> None:
    """A function without a state is trained again from its first step, and one with a state is not."""
    function = job(function=steps, objectives=[Objective("score", "max")], budget=Budget(epochs=30))
    text = exactness_finding(function, trained(seconds_epoch=10.0, replays=True)).found
    assert "is replayed from its first step, which takes up to 5.0 min (30 steps)" in text
    assert "resumes exactly from its checkpoint" in exactness_finding(function, trained()).found


def test_inexact_continuation_is_a_warning_with_its_reason() -> None:
    """A trial that cannot continue exactly is a warning with the reason; else the finding says how it continues."""
    assert exactness_finding(job(), trained(inexact="it runs eagerly")).level == "warning"
    assert exactness_finding(job(), trained()).found.endswith("resumes exactly from its checkpoint")


@pytest.mark.parametrize(
    ("scores", "reported"),
    [
        (repeat(0.5), None),
        (count(), "the function returns a different score for the same config at each call, 0.0 and 1.0"),
    ],
    ids=["the same each time", "differs each time"],
)
def test_a_function_without_state_is_replayed(scores: Iterator[float], reported: str | None, tmp_path: Path) -> None:
    """A function without a state is run again from its first step, and different values are reported."""
    from pipeline.training.trainer_factory import TrainerFactory

    def score(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
        yield {"score": float(next(scores))}

    tuned = job(function=score, objectives=[Objective("score", "max")])
    worker: Any = SimpleNamespace(trainer_factory=TrainerFactory(tuned, None), directory=None)
    trial = Assignment("0000", {}, 1)
    assert function_exactness(worker, tuned, trial, Store(tmp_path), []) == (reported, True)
