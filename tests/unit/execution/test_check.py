"""Checks before a study: what a small run finds, and how the process that makes it ends."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipeline import Budget, Choice, Dataset, Objective, Split, TuneJob, Uniform, check
from pipeline.errors import ResourcesUnmet
from pipeline.execution import check as checks
from pipeline.execution.check import CheckResult, Finding
from pipeline.storage import Store
from tests.rising_job import rising_job

Found = dict[str, Finding]


def rows(hole: float = 0.0) -> Dataset:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(96, 4)).astype("float32"), np.eye(3, dtype="float32")[draw.integers(3, size=96)]
    x[5, 2] = hole
    return Dataset("small", Split(x[:64], y[:64]), Split(x[64:], y[64:]))


def with_a_hole() -> Dataset:
    return rows(np.nan)


_CALLS = iter(range(1000))


def other_rows_each_time() -> Dataset:
    data = rows()
    return replace(data, train=Split(data.train.x + next(_CALLS), data.train.y))


def model(config: Any) -> keras.Model:
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(config["width"], activation=config["activation"])])
    net.add(keras.layers.Dense(3, activation="softmax"))
    net.compile(keras.optimizers.SGD(config["lr"]), loss="categorical_crossentropy", metrics=["accuracy"])
    return net


def exploding(config: Any) -> keras.Model:
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    net.compile(keras.optimizers.SGD(1e30), loss="mse", metrics=["accuracy"])
    return net


def job(**fields: Any) -> TuneJob:
    space = {"lr": 0.1, "width": Choice([4, 8]), "activation": "relu"}
    defaults: dict[str, Any] = {
        "name": "mine", "model": model, "data": rows, "space": space, "budget": Budget(trials=16, epochs=4),
        "objectives": Objective("val_accuracy", "max"), "scheduler": "fifo", "searcher": "random",
    }  # fmt: skip
    return TuneJob(**{**defaults, **fields})


@pytest.fixture
def small_run(tmp_path: Path) -> Callable[[TuneJob], Found]:
    """Makes a small run of a job in this process: its findings by name, and what it measured."""

    def made(tuned: TuneJob) -> Found:
        found = list(checks.small_run(tuned, Store(tmp_path / "small")))
        return {each.name if isinstance(each, Finding) else "measured": each for each in found}

    return made


def test_a_job_without_faults_has_no_finding_but_ok(small_run: Any) -> None:
    found = small_run(job())
    measured = found.pop("measured")
    assert {name: finding.level for name, finding in found.items()} == dict.fromkeys(
        ["data", "epoch", "objective", "resume", "export", "configs"], "ok"
    )
    assert measured["bytes_checkpoint"] > 0


def test_data_that_are_not_finite_are_named(small_run: Any) -> None:
    assert "Values of train are not finite" in small_run(job(data=with_a_hole))["data"].found


BAD_CHOICE = {"lr": 0.1, "width": 4, "activation": Choice(["relu", "rule"])}
LINEAR = {"lr": 0.1, "width": 4, "activation": "linear"}


@pytest.mark.parametrize(("fields", "name", "level", "text"), [
    # On some processors relu makes 0 of what is no number.
    ({"data": with_a_hole, "space": LINEAR}, "epoch", "error", "Check the data"),
    ({"data": other_rows_each_time}, "data", "warning", "different data at each call"),
    ({"objectives": Objective("val_acc", "max")}, "objective", "error", "accuracy, loss, val_accuracy, val_loss"),
    ({"space": BAD_CHOICE, "start_with": [{"activation": "relu"}]}, "configs", "error", "rule"),
    ({"model": exploding}, "epoch", "error", "loss is"),
])  # fmt: skip
def test_a_fault_is_found(small_run: Any, fields: dict[str, Any], name: str, level: str, text: str) -> None:
    found = small_run(job(**fields))
    assert found[name].level == level
    assert text in f"{found[name].found} {found[name].advice}"
    assert ("measured" in found) == (level == "warning" or name == "configs")


def test_an_export_is_tried_even_if_epochs_do_not_repeat(small_run: Any) -> None:
    def moving(config: Any) -> keras.Model:
        net = model(config)
        net.set_weights([weights + next(_CALLS) for weights in net.get_weights()])
        return net

    found = small_run(job(model=moving))
    assert (found["resume"].level, found["export"].level) == ("warning", "ok")


@pytest.mark.parametrize(("width", "level"), [(4, "ok"), (5, "warning")])
def test_an_export_is_tried_with_folds(small_run: Any, width: int, level: str) -> None:
    data = replace(rows(), test=Split(np.zeros((8, width), "float32"), np.eye(3, dtype="float32")[[0] * 8]))
    assert small_run(job(data=lambda: data, folds=3))["export"].level == level


def forgetful(config: Any, state: Any) -> Any:
    for step in range(1 if state is None else 5, 9):
        yield {"score": float(step)}, step


def steady(config: Any, state: Any) -> Any:
    for step in range(1 if state is None else state + 1, 9):
        yield {"score": float(step)}, step


@pytest.mark.parametrize(("function", "level", "text"), [
    (forgetful, "warning", "resumed from its checkpoint, its score is 5.0, not 2.0"),
    (steady, "ok", "resumes exactly"),
])  # fmt: skip
def test_a_resume_is_tried(small_run: Any, function: Any, level: str, text: str) -> None:
    found = small_run(rising_job(function=function))
    assert (found["resume"].level, text in found["resume"].found) == (level, True), found["resume"]


def by_name(result: CheckResult) -> dict[str, str]:
    return {finding.name: finding.level for finding in result.findings}


def test_a_check_returns_its_findings_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEPIPE_STORAGE", str(tmp_path / "studies"))
    result = check(rising_job(space={"a": Uniform(0, 0.9), "shape": [8, 9]}), note=lambda _: None)
    assert result.ok
    assert result.estimate is not None
    assert list(by_name(result)) == ["job", "epoch", "objective", "resume", "memory", "disk", "time"]
    assert str(result).splitlines()[0].startswith("warning  job        shape is a list")
    assert list(tmp_path.iterdir()) == []


MEASURED = {
    "seconds_start": 5.0,
    "seconds_build": 1.0,
    "seconds_epoch": 2.0,
    "bytes_checkpoint": 1000,
    "bytes_memory": 1,
}


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process of a check publishes, without a process."""

    def made(*_: Any, **__: Any) -> Any:
        yield ("measured", MEASURED)

    monkeypatch.setattr(checks, "published", made)


@pytest.mark.usefixtures("published")
def test_the_whole_is_estimated_from_what_was_measured(tmp_path: Path) -> None:
    result = check(rising_job(budget=Budget(trials=12, epochs=6, seconds=60)), storage=tmp_path, note=lambda _: None)
    assert result.estimate is not None
    assert [result.estimate[each] for each in ("seconds", "epochs", "bytes_kept")] == [5 + 12 + 144, 72, 25_000]
    assert by_name(result)["time"] == "warning"
    with pytest.raises(ResourcesUnmet):
        check(rising_job(resources={"gpus": 64}), storage=tmp_path, note=lambda _: None)


@pytest.mark.parametrize(("code", "seconds", "text"), [
    ("print('on the way out', file=sys.stderr, flush=True); os.kill(os.getpid(), 9)", 60, "SIGKILL"),
    ("import threading; threading.Event().wait()", 0.5, "0.5 s"),
])  # fmt: skip
def test_a_process_that_dies_or_takes_too_long_is_reported(
    monkeypatch: pytest.MonkeyPatch, code: str, seconds: float, text: str
) -> None:
    monkeypatch.setattr(checks, "START", f"import os, sys; {code}")
    ((found, finding),) = checks.published("", seconds=seconds)
    assert (found, finding["name"], text in finding["found"]) == ("finding", "process", True)
    assert seconds < 1 or "on the way out" in finding["found"]
