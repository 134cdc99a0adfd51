"""The effects of users' commands on a study, without a recorder, a store or a clock."""

import pytest

from pipeline.engine.command_execution import execute, execute_new
from pipeline.engine.commands import ChangeBudget, Continue, Enqueue, Pause, StopTrial
from pipeline.engine.decision_rows import DecisionRow
from pipeline.engine.messages import ProgressReport
from pipeline.engine.resume_state import restore
from pipeline.engine.study_loop import StudyLoop
from pipeline.engine.trial import Trial
from pipeline.study import Budget
from tests.unit.execution.recorded_curves import row, saved_state
from tests.unit.simulation.simulation_inputs import job


def _loop(rows: list[DecisionRow] | None = None, **fields: object) -> StudyLoop:
    tuned = job(**{"scheduler": "fifo", "budget": Budget(trials=4, epochs=4), **fields})
    return StudyLoop(tuned, (lambda _: None) if rows is None else rows.append, lambda: 0.0)


def _reports(loop: StudyLoop, trial: Trial, epoch: int) -> str:
    report = ProgressReport((row(epoch, epoch / 10),), epoch)
    loop.on_report(trial, report)
    return loop.judge(trial, report)


def test_a_user_stops_a_running_trial_at_its_next_report():
    """A running trial that a user stops ends at its next report, with the user's reason in the decision."""
    rows: list[DecisionRow] = []
    loop = _loop(rows)
    trial = loop.next()
    assert execute(loop, "c1", StopTrial(trial_id="0000", reason="too slow")) == "Trial 0000 ends at its next report."
    assert _reports(loop, trial, 1) == "stop"
    assert (trial.state, trial.cut_off) == ("stopped", False)
    assert rows[-1].reason == "A user stopped it: too slow (command c1)."
    assert execute(loop, "c2", StopTrial(trial_id="0000")) == "Trial 0000 has already ended: it is stopped."
    assert execute(loop, "c3", StopTrial(trial_id="0009")) == "There is no trial 0009."


def test_a_trial_that_was_to_be_stopped_is_stopped_after_a_restore():
    """A trial that a user has stopped is stopped after a restore, even if the driver ended before its next report."""
    first = _loop()
    first.next()
    execute(first, "c1", StopTrial(trial_id="0000"))
    rows: list[DecisionRow] = []
    second = _loop(rows)
    restore(second, saved_state(first))
    second.trials["0000"].state = "paused"
    second.requeue()
    assert (second.trials["0000"].state, rows[-1].kind) == ("stopped", "stop")
    assert second.next().trial_id == "0001"


def test_a_command_is_executed_once():
    """A command is executed once, even by the next driver, which finds its id in the state."""
    first = _loop()
    command = Enqueue(config={})
    printed = execute(first, "c1", command)
    assert execute(first, "c1", command) == printed == "The config is tried next, as trial 0000."
    second = _loop()
    restore(second, saved_state(first))
    assert execute(second, "c1", command) == printed
    configs = [second.next() for _ in range(4)]
    assert [trial.enqueued for trial in configs] == [True, False, False, False]
    assert second.next() is None


def test_an_enqueued_config_takes_the_next_draws_place_and_no_draw_is_lost():
    """An enqueued config is tried next, and the searcher's later draws are the same as without that config."""
    plain, asked = _loop(), _loop()
    draws = [plain.next().config for _ in range(4)]
    name, value = next((name, value) for name, value in draws[3].items() if isinstance(value, float))
    assert asked.next().config == draws[0]
    execute(asked, "c1", Enqueue(config={name: value}, reason="a guess"))
    trial = asked.next()
    assert trial.config[name] == value
    assert len(trial.config) > 1
    assert trial.reason == "A user enqueued it: a guess (command c1)."
    assert [asked.next().config for _ in range(2)] == draws[1:3]
    assert asked.next() is None


def test_a_resumed_study_draws_the_same_after_an_enqueued_config():
    """A resumed study with an enqueued config has and draws the same configs as one that was not interrupted."""
    whole, half = _loop(), _loop()
    for loop in (whole, half):
        loop.next()
        execute(loop, "c1", Enqueue(config={}))
        loop.next()
    rest = _loop()
    restore(rest, saved_state(half))
    rest.requeue()
    assert [trial.config for trial in rest.trials.values()] == [trial.config for trial in whole.trials.values()]
    assert rest.next().config == whole.next().config


def test_configs_that_cannot_be_tried_are_refused():
    """A config is refused with the reason if it does not fit the space or if the budget's trials are all drawn."""
    loop = _loop()

    assert execute(loop, "c1", Enqueue(config={"nothing": 1})).startswith("The config cannot be tried: config.nothing")
    for _ in range(4):
        loop.next()
    assert execute(loop, "c2", Enqueue(config={})).startswith("All 4 trials of the budget are drawn")


def test_a_paused_study_starts_nothing_and_has_not_ended():
    """In a paused study, running trials pause at their next report and later continue, and no trial starts."""
    rows: list[DecisionRow] = []
    loop = _loop(rows)
    trial = loop.next()
    execute(loop, "c1", Pause(session=1, reason="lunch"))
    assert loop.next() is None
    assert _reports(loop, trial, 1) == "pause"
    assert (rows[-1].kind, rows[-1].reason) == ("pause", "A user paused the study: lunch (command c1).")
    assert loop.next() is None
    assert (loop.exhausted, loop.end_reason, loop.queue.running) == (False, None, False)
    execute(loop, "c2", Continue(session=1))
    assert loop.next() is trial
    assert (rows[-1].kind, trial.state) == ("resume", "running")
    assert _reports(loop, trial, 2) == "continue"


def test_a_user_changes_the_budget():
    """A user's change of the budget allows more trials or ends the study."""
    loop = _loop()
    for _ in range(4):
        loop.next()
    assert loop.next() is None
    assert execute(loop, "c1", ChangeBudget(trials=5)) == "The budget is changed: trials 5 instead of 4."
    assert loop.next().trial_id == "0004"
    assert (loop.queue.limit, loop.job.budget.trials) == (5, 5)
    printed = execute(loop, "c2", ChangeBudget(total_epochs=1))
    assert printed == "The budget is changed: total_epochs 1 instead of no limit."
    assert _reports(loop, loop.trials["0000"], 1) == "stop"
    assert loop.end_reason == "The study's budget of 1 epoch is spent."


def test_commands_to_the_study_are_decisions_without_a_trial():
    """A pause, a resume and a change of the budget are decisions without a trial, each with the user's reason."""
    rows: list[DecisionRow] = []
    loop = _loop(rows)
    execute(loop, "c1", Pause(session=1, reason="lunch"))
    execute(loop, "c2", Pause(session=1))
    execute(loop, "c3", ChangeBudget(trials=9, seconds=60, reason="more time"))
    execute(loop, "c5", ChangeBudget())
    execute(loop, "c6", Continue(session=1, reason="back"))
    execute(loop, "c7", Continue(session=1))
    assert [(one.trial_id, one.epoch, one.kind, one.reason) for one in rows] == [
        (None, None, "pause", "A user paused the study: lunch (command c1)."),
        (
            None,
            None,
            "budget",
            "A user changed the budget (trials 9 instead of 4, seconds 60 instead of no limit): more time "
            "(command c3).",
        ),
        (None, None, "resume", "A user resumed the study: back (command c6)."),
    ]
    assert None not in loop.changed


def test_new_commands_are_executed_in_their_order():
    """New commands are executed in order, and a command that is invalid or of an ended session gets the reason."""
    loop = _loop()
    commands = [("c1", "It is not a command."), ("c2", Pause(session=1)), ("c3", Pause(session=2))]
    outcomes = execute_new(loop, iter(commands), session=2)
    assert outcomes == loop.commands.outcomes
    assert list(outcomes.values())[:2] == ["It is not a command.", "It was for session 1, which has ended."]
    assert outcomes["c3"].startswith("The study is paused")
    assert loop.paused is not None


@pytest.mark.parametrize("running", [True, False])
def test_a_study_that_ends_refuses_commands_and_keeps_its_budget(running):
    """A study whose limit is reached, or whose trials have all ended, refuses commands and says what to do instead."""
    rows: list[DecisionRow] = []
    loop = _loop(rows, budget=Budget(trials=2, epochs=4, total_epochs=2 if running else None))
    trials = [loop.next() for _ in range(2)]
    for trial in trials[: 1 if running else 2]:
        report = ProgressReport((row(1, 0.1), row(2, 0.2)), 2, last=True)
        loop.on_report(trial, report)
        loop.judge(trial, report)
    assert loop.next() is None
    assert (loop.over, loop.queue.running) == (True, running)
    decided, job_before = len(rows), loop.job
    ending = "The study is ending (The study's budget of 2 epochs is spent)" if running else "The study is ending"
    assert execute(loop, "c1", ChangeBudget(trials=20, total_epochs=3_000_000)) == (
        f"{ending}: its budget is not changed. Once it has ended, `tunepipe resume simulated "
        "--trials 20 --total-epochs 3000000` continues it."
    )
    options = "--trials 3 --total-epochs 6" if running else "--trials 3"
    assert f"`tunepipe resume simulated {options}`" in execute(loop, "c2", Enqueue(config={}))
    for name, command in (("c3", Pause(session=1)), ("c4", Continue(session=1))):
        assert execute(loop, name, command) == "The study is ending, so it cannot be paused or continued."
    assert (loop.job, len(rows), loop.paused, loop.drawn) == (job_before, decided, None, 2)
    assert loop.next() is None
    ends = "ends at its next report." if running else "has already ended: it is completed."
    assert execute(loop, "c5", StopTrial(trial_id="0001")) == f"Trial 0001 {ends}"
