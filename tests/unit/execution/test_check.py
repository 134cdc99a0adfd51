"""Checks before a study: what a small run finds, and how the process that makes it ends."""

import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil
import pytest

from pipeline import Budget, Choice, Dataset, Objective, Split, Switch, TuneJob, Uniform, check
from pipeline.engine.messages import Assignment
from pipeline.errors import UsageError
from pipeline.execution import check as checks, check_process
from pipeline.execution.check import CheckResult
from pipeline.space import draw
from pipeline.storage import Store
from pipeline.study import save_study
from tests.unit.execution.rising_job import rising_job

Found = dict[str, dict[str, Any]]


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


def unreadable() -> Dataset:
    raise FileNotFoundError("rows.csv")


def model(config: Any) -> keras.Model:
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(config["width"], activation=config["activation"])])
    net.add(keras.layers.Dense(3, activation="softmax"))
    net.compile(keras.optimizers.SGD(config["lr"]), loss="categorical_crossentropy", metrics=["accuracy"])
    return net


def two_outputs(config: Any) -> keras.Model:
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    net.compile(keras.optimizers.SGD(config["lr"]), loss="categorical_crossentropy", metrics=["accuracy"])
    return net


def exploding(config: Any) -> keras.Model:
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    net.compile(keras.optimizers.SGD(1e30), loss="mse", metrics=["accuracy"])
    return net


SPACE_WITH_A_FAULT = {"lr": 0.1, "width": 4, "activation": Choice(["relu", "rule"])}


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
        found: Found = {}
        store = Store(tmp_path / "small")
        save_study(store, tuned)

        def publish(kind: str, value: Any) -> None:
            found[value["name"] if kind == "finding" else kind] = value

        check_process.SmallRun(publish, {}).run(store.uri, [], None)
        return found

    return made


def levels(found: Found) -> dict[str, str]:
    return {name: value["level"] for name, value in found.items() if "level" in value}


def test_a_job_without_faults_has_no_finding_but_ok(small_run: Any) -> None:
    found = small_run(job())
    assert levels(found) == dict.fromkeys(check_process.checks_of(job()), "ok")
    assert found["measured"]["bytes_checkpoint"] > 0
    assert found["data"]["found"] == "small: 64 train, 32 validation rows; inputs 4 float32, targets 3 float32; 2.69 kB"


@pytest.mark.parametrize(
    ("fields", "name", "level", "text"),
    [
        ({"data": with_a_hole}, "data", "error", "1 in the inputs of train"),
        ({"data": other_rows_each_time}, "data", "warning", "different data at each call"),
        ({"objectives": Objective("val_acc", "max")}, "objective", "error", "accuracy, loss, val_accuracy, val_loss"),
        (
            {"objectives": [Objective("val_accuracy", "max"), Objective("speed", "max")]},
            "objective",
            "warning",
            "speed",
        ),
        ({"model": two_outputs}, "epoch", "error", "two_outputs|shape"),
        ({"space": SPACE_WITH_A_FAULT, "start_with": [{"activation": "relu"}]}, "configs", "error", "rule"),
        ({"model": exploding}, "epoch", "error", "nan|inf"),
        ({"scheduler": "pbt", "batch_size": 16}, "weights", "error", "width"),
    ],
)
def test_a_fault_is_found(small_run: Any, fields: dict[str, Any], name: str, level: str, text: str) -> None:
    found = small_run(job(**fields))
    assert any(part in found[name]["found"] for part in text.split("|")), found
    assert found[name]["level"] == level
    assert ("measured" in found) == (level == "warning" or name in ("configs", "weights"))


def test_a_few_configs_show_each_choice_and_both_ends_of_a_range() -> None:
    space = {"a": Uniform(0, 1), "b": Choice(["x", "y", "z"]), "c": Switch({"p": {"d": Choice([1, 2])}, "q": {}})}
    rng = np.random.default_rng(0)
    trials = [Assignment(f"{index:04d}", draw(space, rng, index), 0) for index in range(40)]
    chosen = check_process.representative(trials)
    assert chosen[0] is trials[0]
    assert len(chosen) <= 8
    shown = [trial.config for trial in chosen]
    assert {config["b"] for config in shown} == {"x", "y", "z"}
    assert {config.get("d") for config in shown} == {1, 2, None}
    values = [trial.config["a"] for trial in trials]
    assert {min(values), max(values)} <= {config["a"] for config in shown}


def unseeded(config: Any) -> Any:
    for _ in range(3):
        yield {"score": float.fromhex("0x1p-9") * next(_CALLS)}


def forgetful(config: Any, state: Any) -> Any:
    for step in range(1 if state is None else 5, 9):
        yield {"score": float(step)}, step


def steady(config: Any, state: Any) -> Any:
    for step in range(1 if state is None else state + 1, 9):
        yield {"score": float(step)}, step


@pytest.mark.parametrize(
    ("function", "level", "text"),
    [
        (unseeded, "warning", "trained again from the same seed, its score is"),
        (forgetful, "warning", "resumed from its checkpoint, its score is 5.0, not 2.0"),
        (steady, "ok", "resumes exactly"),
    ],
)
def test_a_resume_is_tried(small_run: Any, function: Any, level: str, text: str) -> None:
    found = small_run(rising_job(function=function))
    assert (found["resume"]["level"], text in found["resume"]["found"]) == (level, True), found["resume"]


def silent(config: Any) -> Any:
    yield from ()


def test_a_function_that_yields_nothing_is_found(small_run: Any) -> None:
    assert levels(small_run(rising_job(function=silent))) == {"epoch": "error"}


def test_a_check_returns_its_findings_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEPIPE_STORAGE", str(tmp_path))
    result = check(rising_job(), note=lambda _: None)
    assert result.ok
    assert result.estimate is not None
    assert [finding.name for finding in result.findings] == [
        "storage", "study", "versions", "resources", "source", "epoch", "objective", "resume", "memory", "disk", "time"
    ]  # fmt: skip
    assert str(result).splitlines()[0].startswith("ok       storage")
    assert list(tmp_path.iterdir()) == []


def test_only_a_job_is_checked() -> None:
    wrong: Any = "a name"
    with pytest.raises(UsageError):
        check(wrong)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What the process of a check publishes, without a process."""
    values: list[tuple[str, Any]] = []

    def made(*_: Any, **__: Any) -> Any:
        yield from values

    monkeypatch.setattr(checks, "published", made)
    return values


def by_name(result: CheckResult) -> dict[str, str]:
    return {finding.name: finding.level for finding in result.findings}


MEASURED = {
    "seconds_start": 5.0,
    "seconds_build": 1.0,
    "seconds_epoch": 2.0,
    "bytes_checkpoint": 1000,
    "bytes_memory": 1,
}
TRAINED = [
    ("finding", {"name": name, "level": "ok", "found": "", "advice": ""}) for name in ("epoch", "objective", "resume")
]


def test_the_whole_is_estimated_from_what_was_measured(tmp_path: Path, published: list[Any]) -> None:
    published += [*TRAINED, ("measured", MEASURED)]
    result = check(rising_job(budget=Budget(trials=12, epochs=6, seconds=60)), storage=tmp_path, note=lambda _: None)
    assert result.estimate is not None
    assert (result.estimate.seconds, result.estimate.epochs, result.estimate.bytes_kept) == (5 + 12 + 144, 72, 25_000)
    assert by_name(result)["time"] == "warning"


@pytest.mark.parametrize(("kind", "level"), [("ended", "error"), ("late", "warning")])
def test_what_the_process_did_not_reach_is_skipped(tmp_path: Path, published: list[Any], kind: str, level: str) -> None:
    published += [TRAINED[0], (kind, "It was killed.")]
    found = by_name(check(rising_job(), storage=tmp_path, note=lambda _: None))
    assert found["epoch"] == "ok"
    assert found["objective"] == level
    assert {found[name] for name in ("resume", "memory", "disk", "time")} == {"skipped"}


@pytest.mark.parametrize(
    ("resources", "level"),
    [({"gpus": 64}, "error"), ({"cpus": 4096}, "error"), ({"workers": 4000}, "warning"), ({"workers": 1}, "ok")],
)
def test_resources_are_compared_with_this_machine(
    tmp_path: Path, published: list[Any], resources: dict[str, Any], level: str
) -> None:
    published += [*TRAINED, ("measured", MEASURED)]
    found = by_name(check(rising_job(resources=resources), storage=tmp_path, note=lambda _: None))
    assert found["resources"] == level
    assert found["epoch"] == ("skipped" if level == "error" else "ok")


def test_a_job_that_cannot_be_sent_is_found(tmp_path: Path) -> None:
    lock = threading.Lock()

    def locked(config: Any) -> Any:
        with lock:
            yield {"score": 1.0}

    found = by_name(check(rising_job(function=locked), storage=tmp_path, note=lambda _: None))
    assert found["source"] == "error"
    assert found["epoch"] == "skipped"


def test_a_storage_without_write_access_skips_what_needs_it(tmp_path: Path, published: list[Any]) -> None:
    published += [*TRAINED, ("measured", MEASURED)]
    found = by_name(check(rising_job(), storage="/proc/nowhere", note=lambda _: None))
    assert (found["storage"], found["study"], found["disk"], found["time"]) == ("error", "skipped", "skipped", "ok")


def test_a_process_that_dies_says_what_it_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os, signal; print('on the way out', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    monkeypatch.setattr(check_process, "START", code)
    ((kind, text),) = check_process.published("train", {}, seconds=60)
    assert kind == "ended"
    assert signal.SIGKILL.name in text
    assert text.endswith("on the way out")


def test_a_process_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_process, "START", "import threading; threading.Event().wait()")
    assert [kind for kind, _ in check_process.published("train", {}, seconds=0.5)] == ["late"]


def test_closing_ends_the_process_and_what_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import json, os, subprocess, sys, threading; child = subprocess.Popen(['sleep', '600']); "
        "os.write(int(sys.argv[3]), json.dumps(['pids', [os.getpid(), child.pid]]).encode() + b'\\n'); "
        "threading.Event().wait()"
    )
    monkeypatch.setattr(check_process, "START", code)
    facts = check_process.published("train", {}, seconds=60)
    _, pids = next(facts)
    running = [psutil.Process(pid) for pid in pids]
    facts.close()
    _, alive = psutil.wait_procs(running, timeout=20)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


def test_a_job_beside_the_package_leaves_it_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    root = str(Path(check_process.__file__).parents[2])
    monkeypatch.setattr(sys, "path", [*(entry for entry in sys.path if entry != root), root])
    monkeypatch.setattr(
        check_process, "START", "import json, sys; sys.path[:] = json.loads(sys.argv[1]); import pipeline"
    )
    assert list(check_process.published("train", {}, seconds=60, without=[root])) == []
