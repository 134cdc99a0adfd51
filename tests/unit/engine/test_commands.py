"""Users' commands to a running study."""

import pytest
from pydantic import ValidationError

from pipeline.engine.commands import COMMANDS, ChangeBudget, StopTrial
from pipeline.schedulers import PromotingASHA
from pipeline.study import Budget
from tests.unit.engine.play import Play


@pytest.mark.parametrize("values", [
    *(None, {}, {"kind": "explode"}, {"kind": "stop-trial", "trial_id": "../../x"}),
    *({"kind": "budget", **fields} for fields in ({"seconds": float("inf")}, {"trials": 1.5}, {"unknown": 1})),
    *({"kind": "budget", **fields} for fields in ({"trials": 0}, {"seconds": 0}, {"reason": "x" * 2001})),
])  # fmt: skip
def test_what_is_no_command_is_refused(values):
    with pytest.raises(ValidationError):
        COMMANDS.validate_python(values)


def test_a_command_at_its_limits_comes_back_equal():
    command = ChangeBudget(trials=1, seconds=0.5, reason="x" * 2000)
    assert COMMANDS.validate_python(COMMANDS.dump_python(command, mode="json")) == command


def test_a_user_stops_a_running_trial_at_its_next_report_and_others_at_once():
    play = Play(scheduler=PromotingASHA(grace_period=1, reduction_factor=2))
    trial, other = play.next(), play.next()
    play.command(StopTrial(trial_id="0000", reason="too slow"), "c1")
    assert trial.live
    assert play.report(trial, 0.1) == "stop"
    assert (trial.state, trial.cut_off) == ("stopped", False)
    assert "too slow" in play.decisions[-1].reason
    assert play.report(other, 0.1) == "pause"
    play.command(StopTrial(trial_id="0001"), "c2")
    assert other.state == "stopped"
    for name, unknown in (("c3", "0000"), ("c4", "0009")):
        before = len(play.decisions)
        assert unknown in play.command(StopTrial(trial_id=unknown), name)
        assert len(play.decisions) == before


def test_a_user_changes_the_budget():
    play = Play()
    trials = [play.next() for _ in range(4)]
    assert play.engine.next() is None
    assert play.command(ChangeBudget(trials=5, reason="more"), "c1") == play.command(ChangeBudget(trials=9), "c1")
    assert (play.next().trial_id, play.engine.limit, play.engine.job.budget.trials) == ("0004", 5, 5)
    assert [(one.trial_id, one.kind) for one in play.decisions][-2:] == [(None, "budget"), ("0004", "start")]
    play.command(ChangeBudget(total_epochs=1), "c2")
    assert play.report(trials[0], 0.1) == "stop"
    assert play.engine.end_reason is not None


@pytest.mark.parametrize("running", [True, False])
def test_a_study_that_ends_refuses_commands_and_says_how_to_continue(running):
    play = Play(budget=Budget(trials=2, epochs=4, total_epochs=2 if running else None))
    trials = [play.next() for _ in range(2)]
    for trial in trials[: 1 if running else 2]:
        play.report(trial, 0.1, 0.2, last=True)
    assert play.engine.next() is None
    assert (play.engine.ending, play.engine.running) == (True, running)
    decided, before = len(play.decisions), play.engine.job
    outcome = play.command(ChangeBudget(trials=20, total_epochs=30), "c1")
    assert "`tunepipe resume played` with a larger budget" in outcome
    assert (play.engine.job, len(play.decisions)) == (before, decided)
