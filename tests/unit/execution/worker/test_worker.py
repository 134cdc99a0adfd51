"""A worker's side of a trial, in this process."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pipeline.execution.worker.checkpoint_seconds import CHECKPOINT_SECONDS

from pipeline import datasets
from pipeline.engine.messages import Assignment, ProgressReport
from pipeline.execution.worker.worker import Worker
from pipeline.schedulers import ASHA
from pipeline.storage import Store
from pipeline.study import Budget, Checkpoints, Fit, Objective, TuneJob


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


def trained(worker: Worker, assignment: Assignment) -> list[ProgressReport]:
    """Every report of a trial, to its end or its failure."""
    worker.begin(assignment)
    reports = [worker.step()]
    while not (reports[-1].last or reports[-1].failure):
        reports.append(worker.step())
    worker.close()
    return reports


def test_a_trial_that_a_callback_ended_is_not_trained_again(worker):
    """If a worker is lost after a callback ended its trial, the next one reports all epochs and the end."""
    assignment = Assignment("0000", {"lr": 0.0}, 0)
    first = trained(worker(), assignment)
    again = trained(worker(), replace(assignment, attempt=2))
    assert len(again) == 1
    assert [row.epoch for row in again[0].rows] == [1, 2, 3, 4]
    assert [row.metrics for row in again[0].rows] == [row.metrics for report in first for row in report.rows]


def test_unreported_epochs_are_reported_before_training(worker):
    """Checkpoints that the driver may not know, because it was killed, are reported before training starts."""
    first = worker()
    first.begin(Assignment("0000", {"lr": 0.0}, 0))
    assert [row.epoch for row in first.step().rows] == [1]
    first.close()
    second = worker()
    second.begin(Assignment("0000", {"lr": 0.0}, 0, attempt=2, reported_epoch=0))
    reported = second.step()
    assert [row.epoch for row in reported.rows] == [1]
    assert not reported.last
    third = worker()
    third.begin(Assignment("0000", {"lr": 0.0}, 0, attempt=3, reported_epoch=1))
    assert [row.epoch for row in third.step().rows] == [1, 2]


def test_missing_weights_to_take_over_fail_the_trial_in_a_sentence(worker):
    """If the weights to take over are missing, the trial fails with a sentence and no traceback."""
    receiver = worker()
    receiver.begin(Assignment("0001", {"lr": 0.0}, 0, segment=2, epoch=3, parent_trial="0000", parent_epoch=3))
    failure = receiver.step().failure
    assert (
        failure == "It cannot continue: checkpoints/0000/000003.ckpt, whose weights the trial copied, no longer exists."
    )


def test_a_loss_of_nan_fails_the_trial_whatever_the_objective(worker):
    """A loss of NaN fails the trial even if its objective, such as an accuracy, is a number."""
    beyond = worker()
    beyond.begin(Assignment("0000", {"lr": 1e39}, 0))
    report = beyond.step()
    assert report.failure is not None
    assert report.failure.startswith("loss is nan")
    assert [row.epoch for row in report.rows] == [1]


class RequestedExit(SystemExit):
    """The process was requested to end."""


def test_a_requested_exit_is_not_the_trials_failure(tmp_path):
    """An exit that Ray requests passes through, and an exit of the user's code is the trial's failure."""

    def leaves(config):
        yield {"score": 1.0}
        raise RequestedExit(1) if config["reported"] else SystemExit(1)

    job = TuneJob(name="s", function=leaves, space={"reported": True}, objectives=[Objective("score", "max")])
    leaving = Worker(
        job, None, Store(tmp_path), capture=False, ends_process=lambda error: isinstance(error, RequestedExit)
    )  # fmt: skip
    leaving.begin(Assignment("0000", {"reported": False}, 0))
    assert leaving.step().failure is None
    assert (leaving.step().failure or "").startswith("SystemExit")
    leaving.begin(Assignment("0001", {"reported": True}, 0))
    assert leaving.step().failure is None
    with pytest.raises(RequestedExit):
        leaving.step()


def test_epochs_where_trials_are_compared_are_always_validated(tmp_path):
    """Milestones and the last epoch are validated in addition to the epochs of `validation_freq`."""
    job = TuneJob(
        name="s",
        model=build_model,
        data="digits",
        space={"lr": 0.1},
        objectives=[Objective("val_accuracy", "max")],
        budget=Budget(trials=1, epochs=7),
        scheduler=ASHA(grace_period=2, reduction_factor=2),
        fit=Fit(validation_freq=3),
    )
    worker = Worker(job, datasets.load("digits"), Store(tmp_path), session=1, capture=False)
    rows = [row for report in trained(worker, Assignment("0000", {"lr": 0.1}, 0)) for row in report.rows]
    assert [row.epoch for row in rows if "val_accuracy" in row.metrics] == [2, 3, 4, 6, 7]
    assert all("accuracy" in row.metrics for row in rows)


def test_a_preemptible_node_has_its_own_checkpoint_interval(tmp_path, monkeypatch):
    """On a node that may be taken away, each epoch longer than the node's seconds writes a checkpoint."""
    job = TuneJob(
        name="s",
        model=build_model,
        data="digits",
        space={"lr": 0.0},
        objectives=[Objective("val_accuracy", "max")],
        budget=Budget(trials=1, epochs=20),
        # It gets every epoch, and never pauses a trial: no checkpoint is due but the one of the best epoch.
        scheduler="median",
        checkpoints=Checkpoints(seconds=3600),
    )
    kept: dict[str, set[int]] = {"": set(), "0": set()}
    for seconds in kept:
        monkeypatch.setenv(CHECKPOINT_SECONDS, seconds)
        trained_here = Worker(job, datasets.load("digits"), Store(tmp_path / f"s{seconds}"), session=1, capture=False)
        trained_here.begin(Assignment("0000", {"lr": 0.0}, 0))
        # A thread writes them: those of the first epochs are reported by the last.
        for _ in range(20):
            kept[seconds].update(trained_here.step().checkpoints)
    assert kept["0"] > kept[""]
    assert kept["0"] >= {1, 2, 3}


def test_a_function_without_a_state_keeps_only_its_newest_epoch(tmp_path):
    """A function without a state keeps only its newest checkpoint, and the next report has what remains."""

    def falls(config):
        for step in range(3):
            yield {"score": -float(step)}

    job = TuneJob(
        name="s", function=falls, space={"x": 1}, objectives=[Objective("score", "max")],
        budget=Budget(trials=2, epochs=9), scheduler=ASHA(),
    )  # fmt: skip
    store = Store(tmp_path)
    working = Worker(job, None, store, session=1, capture=False)
    working.begin(Assignment("0000", {"x": 1}, 0))
    assert [working.step().checkpoints for _ in range(2)] == [{}, {}]
    working.begin(Assignment("0001", {"x": 1}, 0))
    assert store.files("checkpoints") == ["checkpoints/0000/000002.ckpt"]
    ((_, size),) = store.sizes("checkpoints")
    assert [working.step().left for _ in range(2)] == [(("0000", 2, size),), ()]
    working.close()


def test_a_working_folder_that_disappears_stops_no_trial(tmp_path):
    """A trial continues after its working folder was deleted, in a new folder."""

    def writes(config):
        for step in range(3):
            Path("log.csv").write_text(f"{step}")
            yield {"score": -float(step)}

    job = TuneJob(
        name="s", function=writes, space={"x": 1}, objectives=[Objective("score", "max")],
        budget=Budget(trials=1, epochs=3), scheduler="fifo",
    )  # fmt: skip
    working = Worker(job, None, Store(tmp_path), session=1, capture=False)
    working.begin(Assignment("0000", {"x": 1}, 0))
    working.step()
    shutil.rmtree(tmp_path / "files")
    assert working.step().stuck is None
    assert (tmp_path / "files/0000/log.csv").is_file()
    working.close()


def saving_job(ended: list[int], *, epochs: int) -> TuneJob:
    """A job of a function with two steps, after which it adds to a list."""

    def saves(config):
        for step in range(2):
            yield {"score": float(step)}
        ended.append(config["x"])

    return TuneJob(
        name="s", function=saves, space={"x": 1}, objectives=[Objective("score", "max")],
        budget=Budget(trials=1, epochs=epochs), scheduler="fifo",
    )  # fmt: skip


def test_a_worker_reports_that_the_rest_of_a_function_runs_next(tmp_path):
    """A worker reports before the code of a function after its last step runs, and its epochs after that."""
    ended = []
    working = Worker(saving_job(ended, epochs=2), None, Store(tmp_path), session=1, capture=False)
    working.begin(Assignment("0000", {"x": 1}, 0))
    assert [row.epoch for row in working.step().rows] == [1]
    announced = working.step()
    assert (announced.finishing, announced.epoch, announced.rows, announced.last, ended) == (True, 1, (), False, [])
    report = working.step()
    assert (report.finishing, report.epoch, len(report.rows), report.last, ended) == (False, 2, 1, True, [1])
    working.close()


@pytest.mark.parametrize("epochs", [2, 4])
def test_a_trial_is_over_once_its_function_has_run_to_its_end(epochs, tmp_path):
    """The report after the rest of a function is the trial's last one, even where the budget has more epochs."""
    ended = []
    working = Worker(saving_job(ended, epochs=epochs), None, Store(tmp_path), session=1, capture=False)
    reports = trained(working, Assignment("0000", {"x": 1}, 0))
    assert [(report.finishing, report.last, report.finished) for report in reports] == [
        (False, False, False),
        (True, False, False),
        (False, True, True),
    ]
    assert ended == [1]


@pytest.mark.parametrize("epochs", [2, 4])
@pytest.mark.parametrize("says_length", [True, False])
@pytest.mark.parametrize("code", [None, 0, 3])
def test_a_function_may_end_by_an_exit_as_a_script_does(code, says_length, epochs, tmp_path):
    """An exit with the code 0 after the last step ends the trial as completed; another code fails it."""

    def exits(config):
        for step in range(2):
            yield {"score": float(step)}
        sys.exit(code)

    def exits_sometime(config):
        for step in (0, 1):
            yield {"score": float(step)}
        sys.exit(code)

    job = saving_job([], epochs=epochs).replaced({"function": exits if says_length else exits_sometime})
    working = Worker(job, None, Store(tmp_path), session=1, capture=False)
    last = trained(working, Assignment("0000", {"x": 1}, 0))[-1]
    reaches_exit = says_length or epochs > 2
    assert (last.failure is not None) == (code == 3 and reaches_exit)
    assert last.epoch == 2


def test_an_exit_that_ends_the_process_ends_no_trial(tmp_path):
    """An exit that ends the worker's process after a step, such as Ray's on SIGTERM, does not end the trial."""

    def exits(config):
        yield {"score": 1.0}
        sys.exit(0)

    job = saving_job([], epochs=4).replaced({"function": exits})
    working = Worker(job, None, Store(tmp_path), session=1, capture=False, ends_process=lambda _: True)
    with pytest.raises(SystemExit):
        trained(working, Assignment("0000", {"x": 1}, 0))


def test_a_worker_that_is_lost_in_the_rest_of_a_function_repeats_no_epoch(tmp_path):
    """Before the rest of a function runs, the state of its last step is in the storage, and its size in the reports."""
    calls = []

    def saves(config, state):
        start = 0
        if state is not None:
            start = state
        for step in range(start, 3):
            calls.append(step)
            yield {"score": -float(step)}, step + 1

    job = TuneJob(
        name="s", function=saves, space={"x": 1}, objectives=[Objective("score", "max")],
        budget=Budget(trials=1, epochs=3), scheduler="fifo", checkpoints=Checkpoints(seconds=3600),
    )  # fmt: skip
    store = Store(tmp_path)
    lost, second = (Worker(job, None, store, session=1, capture=False) for _ in range(2))
    lost.begin(Assignment("0000", {"x": 1}, 0))
    while not (announced := lost.step()).finishing:
        pass
    sizes = dict(store.sizes("checkpoints"))
    assert announced.checkpoints == {1: sizes["checkpoints/0000/000001.ckpt"], 3: sizes["checkpoints/0000/000003.ckpt"]}
    second.begin(Assignment("0000", {"x": 1}, 0, attempt=2))
    assert second.step().finishing
    assert calls == [0, 1, 2]
    assert [row.epoch for row in second.step().rows] == [1, 2, 3]
    assert lost.step().rows[-1].bytes_checkpoint == sum(sizes.values())
    lost.close()
    second.close()


def test_a_function_that_has_run_to_its_end_does_not_run_to_it_again(tmp_path):
    """A trial whose function has run to its end before is over at its last step, whatever the budget is now."""
    ended = []
    first, later = (
        Worker(saving_job(ended, epochs=epochs), None, Store(tmp_path), session=1, capture=False) for epochs in (2, 4)
    )
    trained(first, Assignment("0000", {"x": 1}, 0))
    (report,) = trained(later, Assignment("0000", {"x": 1}, 0, finished=True, reported_epoch=2))
    assert (report.epoch, report.failure, ended) == (2, None, [1])


@pytest.mark.parametrize("epochs", [2, 4])
def test_a_worker_that_takes_over_runs_the_rest_of_a_function(epochs, tmp_path):
    """A worker that takes over a trial after its last step announces the code after it, whatever the budget."""
    ended = []
    job = saving_job(ended, epochs=epochs)
    first, second = (Worker(job, None, Store(tmp_path), session=1, capture=False) for _ in range(2))
    for working in (first, second):
        working.begin(Assignment("0000", {"x": 1}, 0))
        while not working.step().finishing:
            pass
        assert ended == []
        if working is first:
            first.close()
    report = second.step()
    assert [row.epoch for row in report.rows] == [1, 2]
    assert ended == [1]
    assert report.last or second.step().last
    second.close()
