"""A worker's side of a trial, in this process."""

from dataclasses import replace

import pytest

from pipeline import datasets
from pipeline.course.messages import Assignment, Report
from pipeline.execution.worker import Worker
from pipeline.storage import Store
from pipeline.study import Budget, Checkpoints, Objective, TuneJob


def build_model(config):
    """One layer, at a rate of zero: its losses never change."""
    import keras

    model = keras.Sequential([keras.layers.Input((64,)), keras.layers.Dense(10, activation="softmax")])
    model.compile(keras.optimizers.SGD(config["lr"]), loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def callbacks(config):
    """Stops after the third epoch without a better loss, and restores the best weights."""
    import keras

    return [keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)]


@pytest.fixture
def worker(tmp_path):
    """Makes workers of one study, each as new as one that takes over after a loss."""
    job = TuneJob(
        name="s",
        model=build_model,
        callbacks=callbacks,
        data="digits",
        space={"lr": 0.0},
        objectives=[Objective("val_accuracy", "max")],
        budget=Budget(trials=1, epochs=20),
        scheduler="fifo",
        checkpoints=Checkpoints(seconds=1e-9),
    )
    data = datasets.load("digits")
    return lambda: Worker(job, data, Store(tmp_path), session=1, capture=False)


def trained(worker: Worker, assignment: Assignment) -> list[Report]:
    """Every report of a trial, to its end."""
    worker.begin(assignment)
    reports = [worker.step()]
    while not reports[-1].last:
        reports.append(worker.step())
    worker.close()
    return reports


def test_a_trial_that_a_callback_ended_is_not_trained_again(worker):
    """Its worker was lost before the driver heard of the end: the next one tells all epochs and the end at once."""
    assignment = Assignment("0000", {"lr": 0.0}, 0)
    first = trained(worker(), assignment)
    again = trained(worker(), replace(assignment, attempt=2))
    assert len(again) == 1
    assert [row.epoch for row in again[0].rows] == [1, 2, 3, 4]
    assert [row.metrics for row in again[0].rows] == [row.metrics for report in first for row in report.rows]


def test_what_the_driver_has_not_heard_of_is_told_before_anything_is_trained(worker):
    """It may have decided there already, and been killed before it had written that down."""
    first = worker()
    first.begin(Assignment("0000", {"lr": 0.0}, 0))
    assert [row.epoch for row in first.step().rows] == [1]
    first.close()
    second = worker()
    second.begin(Assignment("0000", {"lr": 0.0}, 0, attempt=2, heard=0))
    told = second.step()
    assert [row.epoch for row in told.rows] == [1]
    assert not told.last
    third = worker()
    third.begin(Assignment("0000", {"lr": 0.0}, 0, attempt=3, heard=1))
    assert [row.epoch for row in third.step().rows] == [1, 2]


def test_weights_to_be_taken_over_that_are_gone_fail_the_trial_in_a_sentence(worker):
    """No traceback: nothing is wrong with anybody's code."""
    receiver = worker()
    receiver.begin(Assignment("0001", {"lr": 0.0}, 0, segment=2, epoch=3, parent_trial="0000", parent_epoch=3))
    failure = receiver.step().failure
    assert failure == "It cannot go on: checkpoints/0000/000003.ckpt, whose weights the trial took over, is gone."


def test_a_loss_that_is_no_number_fails_the_trial_whatever_the_objective_says(worker):
    """An accuracy stays a number when all weights have become none: the trial must not be the best by it."""
    beyond = worker()
    beyond.begin(Assignment("0000", {"lr": 1e39}, 0))
    report = beyond.step()
    assert report.failure is not None
    assert report.failure.startswith("loss is nan")
    assert [row.epoch for row in report.rows] == [1]


class _Told(SystemExit):
    """The process was told to end."""


def test_an_exit_that_the_process_was_told_to_make_is_not_the_trials_failure(tmp_path):
    """It passes through; the user's own exit is a failure."""

    def leaves(config):
        yield {"score": 1.0}
        raise _Told(1) if config["told"] else SystemExit(1)

    job = TuneJob(name="s", function=leaves, space={"told": True}, objectives=[Objective("score", "max")])
    leaving = Worker(
        job, None, Store(tmp_path), capture=False, told_to_end=lambda error: isinstance(error, _Told)
    )  # fmt: skip
    leaving.begin(Assignment("0000", {"told": False}, 0))
    assert leaving.step().failure is None
    assert (leaving.step().failure or "").startswith("SystemExit")
    leaving.begin(Assignment("0001", {"told": True}, 0))
    assert leaving.step().failure is None
    with pytest.raises(_Told):
        leaving.step()
