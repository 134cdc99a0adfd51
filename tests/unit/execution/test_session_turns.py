"""Whose turn it is, whoever schedules: several workers at a time, files, failures, sessions that are cut."""

import json
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pipeline.course.messages import Report
from pipeline.results.gather import gather
from pipeline.schedulers import SCHEDULERS, Hyperband, PromotingASHA
from pipeline.study import Budget, Objective
from tests.unit.execution.played import Study, kinds, row, steps

_SIZE = {"trials": 9, "epochs": 9}


def _job(kind: str, **fields: Any) -> dict[str, Any]:
    """Fields of a study whose trials may be handed over."""
    return {"scheduler": kind, "function": None, "model": steps, "data": "digits", "budget": Budget(**_SIZE), **fields}


def _curve(trial: str, config: Mapping[str, Any], epoch: int) -> float:
    """Rises at the config's speed; no two trials are alike, and some cross."""
    return float(config["x"] * (1 - 0.5 ** (epoch * (1.2 - config["x"]))) + 1e-6 * int(trial))


def _several(
    s: Study, *, workers: int = 3, seed: int = 0, failing: frozenset[str] = frozenset(), reports: int = 10**6
) -> int:
    """Train on several workers that report in a random order, with files; returns how many reports there were."""
    rng, job = np.random.default_rng(seed), s.session.job
    running: list[str] = []
    for count in range(reports):
        while len(running) < workers and (assignment := s.session.next()) is not None and assignment.task == "train":
            running.append(assignment.trial_id)
        if not running:
            return count
        trial = s.session.trials[running[int(rng.integers(len(running)))]]
        first = trial.epoch + 1
        epoch = job.scheduler.next_milestone(trial.epoch, job.budget.epochs)
        rows = tuple(
            row(e, _curve(trial.trial_id, trial.config, e), segment=trial.segment) for e in range(first, epoch + 1)
        )
        s.store.write(f"checkpoints/{trial.trial_id}/{epoch:06d}.ckpt", b"x")
        failure = "ValueError: nan" if trial.trial_id in failing and epoch > 2 else None
        last = epoch >= job.budget.epochs
        report = Report(rows, epoch, last=last, checkpoints=(epoch,), failure=failure)
        if s.session.report(trial.trial_id, report) != "continue":
            running.remove(trial.trial_id)
        for other in s.session.trials.values():
            if other.state == "paused":
                assert f"checkpoints/{other.trial_id}/{other.epoch:06d}.ckpt" in s.store.files("checkpoints")
    return reports


@pytest.mark.parametrize("kind", SCHEDULERS)
@pytest.mark.parametrize("mode", ["max", "min"])
def test_every_trial_ends_once_and_the_table_says_why(study, kind, mode):
    """Each has one decision that ends it, with a reason, as the table has it; what is paused keeps its file."""
    s = study(**_job(kind, objectives=[Objective("score", mode)]))
    _several(s, failing=frozenset({"0002", "0005"}))
    assert len(s.session.trials) == 9
    assert not any(trial.live for trial in s.session.trials.values())
    s.recorder.close("finished")
    ends = {"stop": "stopped", "finish": "completed", "fail": "failed"}
    for trial in s.session.trials.values():
        decided = kinds(s, trial.trial_id)
        assert [ends[kind] for kind in decided if kind in ends] == [trial.state]
        assert ends.get(decided[-1]) == trial.state
    table = s.store.read_table("decisions").to_pylist()
    assert all(entry["reason"].strip() for entry in table)
    derived = gather(s.store, s.recorder._document).trials.to_pylist()
    assert {entry["trial_id"]: entry["state"] for entry in derived} == {
        trial.trial_id: trial.state for trial in s.session.trials.values()
    }


@pytest.mark.parametrize("kind", SCHEDULERS)
@pytest.mark.parametrize("reports", [1, 7, 20])
def test_a_study_goes_on_in_the_middle_as_it_would_have(study, kind, reports):
    """Interrupted after some reports and restored from JSON, it ends as one that nothing happened to."""
    whole = study("whole", **_job(kind))
    _several(whole, workers=1)
    first, second = study("first", **_job(kind)), study("second", **_job(kind))
    _several(first, workers=1, reports=reports)
    first.session.interrupt()
    state = json.loads(json.dumps(first.session.state(), allow_nan=False))
    for path in first.store.files("checkpoints"):
        second.store.write(path, b"x")
    second.session.restore(state, budget_before=9)
    _several(second, workers=1)
    ends = lambda s: {t.trial_id: (t.state, t.epoch, t.best, t.config) for t in s.session.trials.values()}  # noqa: E731
    assert ends(second) == ends(whole)


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_a_spent_budget_ends_all_and_more_of_it_goes_on_with_all(study, kind):
    """Cut off by its epochs, every trial is ended with that reason; given more, none is lost and each ends once."""
    small = Budget(**_SIZE, total_epochs=11)
    first = study("first", **_job(kind, budget=small))
    _several(first, workers=2)
    assert not any(trial.live for trial in first.session.trials.values())
    second = study("second", **_job(kind))
    second.session.restore(json.loads(json.dumps(first.session.state())), budget_before=9)
    for path in first.store.files("checkpoints"):
        second.store.write(path, b"x")
    _several(second, workers=2)
    states = Counter(trial.state for trial in second.session.trials.values())
    assert sum(states.values()) == 9
    assert set(states) <= {"stopped", "completed"}
    assert kind == "pasha" or states["completed"] >= 1


def test_a_promotion_is_a_decision(study):
    """With its rung, cutoff and value; no resume beside it, and the pause before it."""
    s = study(scheduler=PromotingASHA(), budget=Budget(trials=4, epochs=4))
    s.play(lambda t, _c, _e: float(t))
    s.recorder.close("finished")
    assert kinds(s, "0003") == ["start", "pause", "promote", "pause", "promote", "finish"]
    promoted = [r for r in s.store.read_table("decisions").to_pylist() if r["kind"] == "promote"]
    assert {(r["rung"], r["cutoff"], r["value"]) for r in promoted if r["trial_id"] == "0003"} == {
        (1, 2.0, 3.0),
        (2, 3.0, 3.0),
    }
    assert not s.session.over
    assert s.session.ended


def test_who_loses_its_bracket_is_stopped_at_once(study):
    """Not only when the study ends: the next free worker's question is enough."""
    s = study(scheduler=Hyperband(reduction_factor=2), budget=Budget(trials=9, epochs=2))
    for value in (0.2, 0.4):
        s.session.report(s.session.next().trial_id, Report((row(1, value),), 1))
    assert s.session.next().trial_id == "0001"
    assert (s.session.trials["0000"].state, s.session.trials["0000"].cut_off) == ("stopped", False)


def test_an_exploit_is_two_decisions(study):
    """Whose weights, under that one's config; and what is explored from there, with each parameter."""
    s = study(**_job("pbt"))
    _several(s, workers=1)
    s.recorder.close("finished")
    table = sorted(s.store.read_table("decisions").to_pylist(), key=lambda r: r["number"])
    pairs = [(a, b) for a, b in pairwise(table) if a["kind"] == "exploit"]
    assert pairs
    for exploit, explore in pairs:
        assert (explore["kind"], explore["trial_id"], explore["epoch"]) == (
            "explore",
            exploit["trial_id"],
            exploit["epoch"],
        )
        assert exploit["config_after"] == explore["config_before"] != explore["config_after"]
        assert explore["reason"].startswith("times 0.8 or 1.2, or drawn anew: x ")


def test_more_trials_bring_back_those_that_waited(study):
    """A finished study that is given more trials: the paused ones of before may still be promoted."""
    first = study("first", scheduler="promoting-asha", budget=Budget(trials=4, epochs=4))
    first.play(lambda t, _c, e: {"0000": 0.9, "0001": 0.8, "0002": 0.7, "0003": 0.6}[t] + 0.01 * e)
    assert first.session.trials["0002"].state == "stopped"
    second = study("second", scheduler="promoting-asha", budget=Budget(trials=8, epochs=4))
    second.session.restore(json.loads(json.dumps(first.session.state())), budget_before=4)
    second.play(lambda t, _c, e: (0.7 if t == "0002" else 0.1 + 0.01 * int(t)) + 0.01 * e)
    assert second.session.trials["0002"].epoch > 1
