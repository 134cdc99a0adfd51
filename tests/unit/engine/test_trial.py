"""A trial as the driver knows it, and as a session's file holds it."""

import json
import math
from typing import Any

import pytest

from pipeline.engine.messages import Assignment, ProgressReport
from pipeline.engine.trial import Trial, observation
from pipeline.schedulers import Decision
from tests.unit.execution.recorded_curves import new_study, row


def test_a_trial_comes_back_from_its_json() -> None:
    """A trial restored from the JSON of a session's file has all that a resumed study needs."""
    trial = Trial("0003", {"lr": 0.1}, 7, state="paused", worker_failures=2, epoch=4, best=0.5, checkpoints={2, 4})
    assert Trial.from_json(trial.to_json()) == trial


def test_a_trial_of_an_earlier_version_is_read() -> None:
    """A stored trial of an earlier version is read, in which worker failures were called losses."""
    fields = Trial("0003", {"lr": 0.1}, 7, worker_failures=2).to_json()
    fields["losses"] = fields.pop("worker_failures")
    assert Trial.from_json(fields).worker_failures == 2


def test_a_trial_of_an_earlier_version_is_known_by_its_best_epoch():
    """A stored trial without milestones is read, and searchers learn its best epoch."""
    trial = Trial("0000", {"x": 0.5}, 0, state="stopped", epoch=4, best=0.9, best_epoch=3, best_config={"x": 0.5})
    fields = trial.to_json()
    del fields["milestones"], fields["reason"], fields["earlier_best"]
    read = Trial.from_json(json.loads(json.dumps(fields)))
    assert observation(read, "max").curve == ((3, -0.9),)


def test_the_curve_of_a_trial_with_anothers_weights_is_left_out():
    """The curve of a trial with another trial's weights is not used, because it has several configs."""
    trial = Trial("0000", {"x": 0.5}, 0, epoch=2, best=0.9, best_epoch=1, best_config={"x": 0.5}, milestones={1: 0.9})
    trial.exploit(Decision("exploit", "", parent_trial="0001", parent_epoch=2, config={"x": 0.6}))
    assert observation(trial, "max").curve == ()


@pytest.mark.parametrize("state", ["waiting", "running", "paused", "stopped", "completed", "failed"])
def test_a_trial_is_live_until_it_ends(state: Any) -> None:
    """A trial is live until it is stopped, completed or failed."""
    assert Trial("0003", {}, 0, state=state).live == (state in ("waiting", "running", "paused"))


@pytest.mark.parametrize(
    ("state", "best", "known", "ended"),
    [
        ("failed", 0.9, "failed", False),
        ("running", 0.9, "open", False),
        ("waiting", None, "open", False),
        ("paused", 0.9, "known", False),
        ("stopped", 0.9, "known", False),
        ("stopped", None, "failed", False),
        ("completed", None, "failed", False),
        ("completed", 0.9, "known", True),
    ],
)
def test_a_trial_counts_by_its_best_epoch(state: Any, best: float | None, known: str, ended: bool) -> None:
    """A trial counts with its best epoch, a running one is open, and one that failed or has no value, as failed."""
    trial = Trial("0003", {"x": 0.6}, 0, state=state, best=best, best_epoch=1, best_config={"x": 0.5})
    trial.milestones = {4: 0.7, 1: 0.9}
    found = observation(trial, "max")
    assert (found.state, found.ended, found.trial_id) == (known, ended, "0003")
    assert (found.loss, found.config) == ((-0.9, {"x": 0.5}) if known == "known" else (None, {"x": 0.6}))
    assert found.curve == ((1, -0.9), (4, -0.7))
    assert observation(trial, "min").curve == ((1, 0.9), (4, 0.7))


def test_an_exploit_begins_a_segment() -> None:
    """After an exploit, a trial's assignment has a new segment, the explored config, and the parent with its epoch."""
    trial = Trial("0003", {"x": 0.6}, 7, epoch=4, milestones={2: 0.5})
    trial.exploit(Decision("exploit", "", parent_trial="0001", parent_epoch=6, config={"x": 0.24}))
    assert trial.assignment() == Assignment(
        "0003", {"x": 0.24}, 7, segment=2, epoch=4, parent_trial="0001", parent_epoch=6, reported_epoch=4
    )
    assert trial.milestones == {}


def test_a_value_that_is_not_finite_is_not_written() -> None:
    """A value that is not finite is stored as null, because JSON has no NaN."""
    assert Trial("0003", {}, 0, value=math.nan).to_json()["value"] is None


def test_each_trial_is_an_observation_of_its_state(tmp_path):
    """As an observation, a running trial is open, a failed one has no value, and a stopped one has its best value."""
    s = new_study(tmp_path)
    for _ in range(3):
        s.session.next()
    s.session.on_report("0000", ProgressReport((row(1, 0.9), row(2, 0.5), row(3, 0.4), row(4, 0.3)), 4, last=True))
    s.session.on_report("0001", ProgressReport(failure="ValueError: x"))
    s.session.on_report("0002", ProgressReport((row(1, 0.7),), 1))
    reported = [observation(trial, "max") for trial in s.session.loop.trials.values()]
    assert [(one.state, one.loss) for one in reported] == [("known", -0.9), ("failed", None), ("open", None)]
    assert observation(s.session.loop.trials["0000"], "min").loss == 0.9
