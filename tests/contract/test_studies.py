"""Properties of a study under every scheduler: several workers, failures, files, interrupted sessions."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.engine.messages import Report
from pipeline.schedulers import SCHEDULERS
from pipeline.storage.schema import SCHEMA_VERSION
from pipeline.storage.tables import read_tables
from pipeline.study import Budget, Objective
from tests.cases import cases
from tests.recorded_curves import Study, kinds, new_study, row, steps, stored_state
from tests.stored_tables import stored_table

_SIZE = {"trials": 9, "epochs": 9}


def _job(kind: str, **fields: Any) -> dict[str, Any]:
    return {"scheduler": kind, "function": None, "model": steps, "data": "digits", "budget": Budget(**_SIZE), **fields}


def _curve(trial: str, config: Mapping[str, Any], epoch: int) -> float:
    return float(config["x"] * (1 - 0.5 ** (epoch * (1.2 - config["x"]))) + 1e-6 * int(trial))


def _several(
    s: Study, *, workers: int = 3, seed: int = 0, failing: frozenset[str] = frozenset(), reports: int = 10**6
) -> int:
    rng, job = np.random.default_rng(seed), s.session.job
    running: list[str] = []
    for count in range(reports):
        while len(running) < workers and (assignment := s.session.next()) is not None and assignment.task == "train":
            running.append(assignment.trial_id)
        if not running:
            return count
        trial = s.session.engine.trials[running[int(rng.integers(len(running)))]]
        first = trial.epoch + 1
        epoch = job.scheduler.next_milestone(trial.epoch, job.budget.epochs)
        rows = [row(e, _curve(trial.trial_id, trial.config, e), segment=trial.segment) for e in range(first, epoch + 1)]
        s.store.write(f"checkpoints/{trial.trial_id}/{epoch:06d}.ckpt", b"x")
        failure = "ValueError: nan" if trial.trial_id in failing and epoch > 2 else None
        last = epoch >= job.budget.epochs
        report = Report(rows, last=last, checkpoints=[(trial.trial_id, epoch, 1)], failure=failure)
        if s.session.on_report(trial.trial_id, report) != "continue":
            running.remove(trial.trial_id)
        there = set(s.store.files("checkpoints"))
        paused = [other for other in s.session.engine.trials.values() if other.state == "paused"]
        assert {f"checkpoints/{other.trial_id}/{other.epoch:06d}.ckpt" for other in paused} <= there
    return reports


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Study]:
    def make(folder: str = "s", **fields: Any) -> Study:
        return new_study(tmp_path / folder, **fields)

    return make


@pytest.mark.parametrize("kind", SCHEDULERS)
@pytest.mark.parametrize("mode", cases(["max", "min"], ["max"]))
def test_every_trial_ends_once_and_the_table_has_the_reason(study, kind, mode):
    s = study(**_job(kind, objectives=[Objective("score", mode)]))
    _several(s, failing=frozenset({"0002", "0005"}))
    assert len(s.session.engine.trials) == 9
    assert not any(trial.live for trial in s.session.engine.trials.values())
    s.recorder.close("ended")
    ends = {"stop": "stopped", "complete": "completed", "fail": "failed"}
    for trial in s.session.engine.trials.values():
        decided = kinds(s, trial.trial_id)
        assert [ends[kind] for kind in decided if kind in ends] == [trial.state]
        assert ends.get(decided[-1]) == trial.state
    table = stored_table(s.store, "decisions").to_pylist()
    assert all(entry["reason"].strip() for entry in table)
    derived = read_tables(
        s.store, {"schema_version": SCHEMA_VERSION, "job": s.session.job.to_json()}
    ).trials.to_pylist()
    assert {entry["trial_id"]: entry["state"] for entry in derived} == {
        trial.trial_id: trial.state for trial in s.session.engine.trials.values()
    }


@pytest.mark.parametrize("kind", SCHEDULERS)
@pytest.mark.parametrize("reports", cases([1, 7, 20], [7]))
def test_an_interrupted_study_ends_as_an_uninterrupted_one(study, kind, reports):
    whole = study("whole", **_job(kind))
    _several(whole, workers=1)
    first, second = study("first", **_job(kind)), study("second", **_job(kind))
    _several(first, workers=1, reports=reports)
    first.session.engine.interrupt()
    state = stored_state(first.session.engine)
    for path in first.store.files("checkpoints"):
        second.store.write(path, b"x")
    second.session.restore(state, epochs_before=9)
    _several(second, workers=1)
    ends = lambda s: {t.trial_id: (t.state, t.epoch, t.best, t.config) for t in s.session.engine.trials.values()}  # noqa: E731
    assert ends(second) == ends(whole)


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_a_used_up_budget_ends_all_trials_and_a_larger_one_continues_them(study, kind):
    small = Budget(**_SIZE, total_epochs=11)
    first = study("first", **_job(kind, budget=small))
    _several(first, workers=2)
    assert not any(trial.live for trial in first.session.engine.trials.values())
    second = study("second", **_job(kind))
    second.session.restore(stored_state(first.session.engine), epochs_before=9)
    for path in first.store.files("checkpoints"):
        second.store.write(path, b"x")
    _several(second, workers=2)
    states = Counter(trial.state for trial in second.session.engine.trials.values())
    assert sum(states.values()) == 9
    assert set(states) <= {"stopped", "completed"}
    assert states["completed"] >= 1
