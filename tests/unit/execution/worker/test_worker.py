"""A worker's side of a trial, in this process; functions are trained, which need no Keras."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.code.modules import sentence_of
from pipeline.engine.messages import Assignment, Report
from pipeline.execution.worker.checkpoints import CheckpointWriter, lineage
from pipeline.execution.worker.worker import SPOT, MemoryLimit, Worker
from pipeline.storage import Checkpoint, Store
from pipeline.study import Budget, Checkpoints, Objective, Resources, TuneJob

Steps = Callable[..., Iterator[Any]]
FIRST = Assignment("0000", {"x": 1}, 0)


def counting(config: Mapping[str, Any], state: int | None = None) -> Iterator[Any]:
    for step in range(state or 0, 99):
        yield {"score": float(step)}, step + 1


def make(folder: Path, function: Steps, *, epochs: int = 3, **fields: Any) -> Worker:
    options = {name: fields.pop(name) for name in ("ends_process", "capture") if name in fields}
    job = TuneJob(
        name="s", function=function, space={"x": 1}, objectives=[Objective("score", "max")],
        budget=Budget(trials=1, epochs=epochs), checkpoints=Checkpoints(seconds=600), **{"scheduler": "fifo", **fields},
    )  # fmt: skip
    return Worker(job, None, Store(folder), session=1, **{"capture": False, **options})


def trained(worker: Worker, assignment: Assignment = FIRST) -> list[Report]:
    """Every report of a trial, to its end or its failure."""
    worker.begin(assignment)
    reports = [worker.step()]
    while not (reports[-1].last or reports[-1].failure):
        reports.append(worker.step())
    worker.close()
    return reports


def epochs_of(*reports: Report) -> list[int]:
    return [row["epoch"] for report in reports for row in report.rows]


def test_a_trial_reports_its_first_epoch_then_up_to_its_end_and_leaves_its_checkpoints(tmp_path):
    reports = trained(make(tmp_path, counting))
    assert [epochs_of(report) for report in reports] == [[1], [2, 3]]
    assert [report.last for report in reports] == [False, True]
    assert {(trial, epoch) for report in reports for trial, epoch, _ in report.checkpoints} >= {("0000", 3)}
    assert reports[0].node is not None
    assert reports[1].node is None


def test_a_worker_that_takes_over_reports_the_whole_segment_and_how_much_was_known(tmp_path):
    first = make(tmp_path, counting, epochs=4)
    first.begin(FIRST)
    assert epochs_of(first.step()) == [1]
    first.close()
    second = make(tmp_path, counting, epochs=4)
    (report, rest) = trained(second, replace(FIRST, attempt=2, reported_epoch=0))
    assert (epochs_of(report), report.repeated, report.last) == ([1], 0, False)
    assert [(row["epoch"], row["attempt"]) for row in rest.rows] == [(2, 2), (3, 2), (4, 2)]
    (again,) = trained(make(tmp_path, counting, epochs=4), replace(FIRST, attempt=3, reported_epoch=4))
    assert (epochs_of(again), again.repeated, again.last) == ([1, 2, 3, 4], 4, True)


@pytest.mark.parametrize(("value", "cause"), [({"score": float("nan")}, "trial"), ({"other": 1.0}, "job")])
def test_a_value_that_is_not_finite_fails_the_trial_and_a_missing_one_is_the_jobs_fault(tmp_path, value, cause):
    def wrong(config):
        yield value

    (report,) = trained(make(tmp_path, wrong))
    assert report.cause == cause


UNSHOWN = type("Unshown", (Exception,), {"__str__": lambda _: 1 / 0})


@pytest.mark.parametrize("error", [ValueError("x" * 10**7), SystemExit("no"), KeyboardInterrupt("no"), UNSHOWN()])
def test_whatever_a_function_raises_fails_its_trial_alone(tmp_path, error):
    def raises(config):
        yield {"score": 1.0}
        raise error

    *_, report = trained(make(tmp_path, raises, ends_process=lambda _: False))
    assert report.failure.startswith(sentence_of(error))
    assert len(report.failure) < 50_000


def test_the_end_of_its_process_is_no_failure_of_a_trial(tmp_path):
    def ended(config):
        yield {"score": 1.0}
        raise SystemExit

    worker = make(tmp_path, ended, ends_process=lambda error: error.code is None)
    worker.begin(FIRST)
    assert epochs_of(worker.step()) == [1]
    with pytest.raises(SystemExit):
        worker.step()


def test_missing_weights_to_take_over_fail_the_trial_in_a_sentence(tmp_path):
    receiver = replace(FIRST, segment=2, epoch=3, parent_trial="0001", parent_epoch=3)
    (report,) = trained(make(tmp_path, counting, epochs=9), receiver)
    assert "checkpoints/0001/000003.ckpt" in report.failure
    assert "Traceback" not in report.failure


def test_a_storage_that_refuses_is_no_failure_of_the_trial(tmp_path):
    store = Store(tmp_path)
    worker = make(tmp_path, counting)
    store.write("sessions/0002.json", "{}")
    worker.begin(FIRST)
    while (report := worker.step()).failure is None:
        pass
    assert report.cause == "storage"


@pytest.mark.parametrize("spot", ["", "1"])
def test_a_preemptible_node_has_its_own_checkpoint_interval(tmp_path, monkeypatch, spot):
    def falling(config, state=None):
        for step in range(state or 0, 99):
            yield {"score": -float(step)}, step + 1

    monkeypatch.setenv(SPOT, spot)
    monkeypatch.setattr("pipeline.execution.worker.worker._SPOT_SECONDS", 0.0)
    reports = trained(make(tmp_path, falling, epochs=5, scheduler="median"))
    kept = {epoch for report in reports for _, epoch, _ in report.checkpoints}
    assert kept == ({1, 2, 3, 4, 5} if spot else {1, 5})


@pytest.mark.parametrize(
    ("gigabytes", "first", "held", "exceeds"),
    [(None, 1, 8, False), (None, 1, 10, True), (None, 9.5, 10, False), (2, 1, 2.5, True), (2, 2.5, 2.5, True)],
)
def test_a_worker_over_its_memory_is_replaced_unless_a_new_one_would_be_as_large(gigabytes, first, held, exceeds):
    limit = MemoryLimit(Resources(worker_gigabytes=gigabytes), 2, memory=20 * 10**9)
    limit.excess(int(first * 1e9))
    assert bool(limit.excess(int(held * 1e9))) == exceeds


def write(folder: Path, assignment: Assignment, *epochs: int) -> None:
    writer = CheckpointWriter(Store(folder), 1)
    for epoch in epochs:
        header = {"lineage": lineage(assignment, epoch), "best": None, "ended": False, "rows": [], "learner": {}}
        writer.write(assignment, epoch, Checkpoint(header, []))
    writer.wait()


def test_the_newest_complete_checkpoint_of_the_trials_segment_is_found(tmp_path):
    write(tmp_path, FIRST, 999_999, 1_000_000, 1_000_001)
    damaged = tmp_path / "checkpoints/0000/1000001.ckpt"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    found = CheckpointWriter(Store(tmp_path), 1).newest(FIRST)
    assert found.header["lineage"]["epoch"] == 1_000_000


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"config": {"x": 2}}, {"segment": 2}, {"segment_session": 2}, {"new": True}]
)
def test_checkpoints_of_another_trial_or_segment_are_not_used(tmp_path, other):
    write(tmp_path, FIRST, 1, 2)
    assert CheckpointWriter(Store(tmp_path), 1).newest(replace(FIRST, **other)) is None
