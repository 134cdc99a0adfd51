"""The decisions of a study, driven without a recorder, a store or a clock."""

import pytest

from pipeline.engine.decision_rows import DecisionRow
from pipeline.engine.messages import ProgressReport
from pipeline.engine.study_loop import StudyLoop
from pipeline.engine.trial import Trial
from pipeline.schedulers import PBT, SCHEDULERS
from pipeline.study import Budget
from tests.unit.execution.recorded_curves import first_report, row
from tests.unit.simulation.simulation_inputs import job


def test_the_budget_uses_the_seconds_of_the_caller():
    """The budget of seconds is measured by the time that the caller passes, not by a clock."""
    now, rows = [0.0], list[DecisionRow]()
    loop = StudyLoop(job(scheduler="fifo", budget=Budget(trials=3, epochs=4, seconds=10)), rows.append, lambda: now[0])
    trial = loop.next()
    report = ProgressReport((row(1, 0.5),), 1)
    loop.on_report(trial, report)
    assert loop.judge(trial, report) == "continue"
    now[0] = 10.0
    report = ProgressReport((row(2, 0.6),), 2)
    loop.on_report(trial, report)
    assert loop.judge(trial, report) == "stop"
    assert loop.next() is None
    assert [one.kind for one in rows] == ["start", "stop"]
    assert rows[-1].reason == loop.end_reason == "The study's budget of 10 seconds is spent."


def test_epochs_that_are_trained_again_count_once():
    """Epochs that another attempt reports again are not added to the epochs of the study."""
    loop = StudyLoop(job(scheduler="fifo", budget=Budget(trials=3, epochs=4)), lambda _: None, lambda: 0.0)
    trial = first_report(loop, [0.1, 0.2])
    assert loop.total_epochs == 2
    loop.on_report(trial, ProgressReport((row(1, 0.1), row(2, 0.2), row(3, 0.3)), 3))
    assert loop.total_epochs == 3


def test_a_report_after_an_interruption_ends_no_trial():
    """A trial that reports once more after the study was interrupted stays paused, to continue when it is resumed."""
    rows: list[DecisionRow] = []
    loop = StudyLoop(job(scheduler="fifo", budget=Budget(trials=3, epochs=4)), rows.append, lambda: 0.0)
    trial = loop.next()
    loop.interrupt()
    report = ProgressReport((row(1, 0.5),), 1)
    loop.on_report(trial, report)
    loop.judge(trial, report)
    assert (trial.state, trial.cut_off) == ("paused", False)
    assert [one.kind for one in rows] == ["start", "pause"]


def test_failures_that_end_first_do_not_end_a_study_in_which_another_trial_trains():
    """Three trials that fail with the same error do not end a study in which an earlier trial still trains."""
    loop = StudyLoop(job(scheduler="fifo", budget=Budget(trials=9, epochs=4)), lambda _: None, lambda: 0.0)
    trains, *fail = [loop.next() for _ in range(4)]
    for trial in fail:
        assert loop.judge(trial, ProgressReport(failure="ValueError: no")) == "stop"
    assert loop.next().trial_id == "0004"
    report = ProgressReport((row(1, 0.5),), 1)
    loop.on_report(trains, report)
    assert loop.judge(trains, report) == "continue"


def test_the_first_failures_wait_for_the_trials_that_run():
    """After equal first failures, no trial is drawn until a running one trains, and its failure ends the study."""
    budget = Budget(trials=9, epochs=4)
    for trains in (True, False):
        loop = StudyLoop(job(scheduler="fifo", budget=budget), lambda _: None, lambda: 0.0)
        *fail, last = [loop.next() for _ in range(4)]
        for trial in fail:
            loop.judge(trial, ProgressReport(failure="ValueError: no"))
        assert loop.end_reason is None
        assert loop.next() is None
        report = ProgressReport((row(1, 0.5),), 1) if trains else ProgressReport(failure="ValueError: another")
        loop.on_report(last, report)
        loop.judge(last, report)
        assert (loop.end_reason is None) == trains
        assert (loop.next() is not None) == trains
    assert loop.end_reason == "The first 3 trials failed with the same error: ValueError: no"


def test_trials_that_all_fail_after_an_epoch_end_the_study():
    """Trials that all fail with the same error end the study, even if each one trained an epoch before."""
    loop = StudyLoop(job(scheduler="fifo", budget=Budget(trials=9, epochs=4)), lambda _: None, lambda: 0.0)
    trials = [loop.next() for _ in range(4)]
    for trial in trials:
        loop.on_report(trial, ProgressReport((row(1, 0.5),), 1))
    for trial in trials:
        assert loop.end_reason is None
        loop.judge(trial, ProgressReport(failure="ValueError: no"))
    assert loop.end_reason is not None
    assert loop.incumbent.best is None


def test_the_table_has_the_reason_for_each_config():
    """The table has the searcher's reason for each config, none for random search, and a mark for initial configs."""
    reasons = {}
    for searcher in ("random", "curves"):
        rows = list[DecisionRow]()
        budget = Budget(trials=9, epochs=2)
        tuned = job(scheduler="fifo", searcher=searcher, start_with=[{"x": 0.5}], budget=budget)
        loop = StudyLoop(tuned, rows.append, lambda: 0.0)
        for number in range(9):
            first_report(loop, [0.1 * number, 0.2 * number], last=True)
        reasons[searcher] = [one.reason for one in rows if one.kind == "start"]
    assert reasons["random"] == ["A config that the study starts with.", *["Drawn by the searcher."] * 8]
    at_random = "Drawn at random: fewer than 6 trials have a value."
    every_fourth = "Drawn at random, like every fourth config."
    assert [reason.split(" 0.")[0] for reason in reasons["curves"]] == [
        "A config that the study starts with.",
        *[at_random] * 3,
        every_fourth,
        at_random,
        *["Expected improvement"] * 2,
        every_fourth,
    ]


def test_trials_count_as_changed_until_they_are_written() -> None:
    """A trial counts as changed after a decision, a report or a lost checkpoint until it is written."""
    loop = StudyLoop(job(scheduler="fifo", budget=Budget(trials=3, epochs=4)), lambda _: None, lambda: 0.0)
    first_report(loop, [0.1])
    loop.next()
    assert loop.changed == {"0000", "0001"}
    loop.written({"0000", "0001"}, pruned={"0000"})
    assert loop.changed == {"0000"}


def test_a_lost_worker_is_a_decision() -> None:
    """A trial whose worker was lost continues with another attempt, and the decision has the reason."""
    rows: list[DecisionRow] = []
    loop = StudyLoop(job(scheduler="fifo", budget=Budget(trials=3, epochs=4)), rows.append, lambda: 0.0)
    trial = loop.next()
    assert trial is not None
    loop.retry(trial, "Its worker was lost: gone.")
    assert (trial.attempt, trial.state) == (2, "running")
    assert (rows[-1].kind, rows[-1].reason) == ("retry", "Its worker was lost: gone. Attempt 2.")


def test_a_study_that_is_ended_starts_no_trial() -> None:
    """A study that is ended starts no trial, and running ones end at their next reports with the study's reason."""
    rows: list[DecisionRow] = []
    loop = StudyLoop(job(scheduler="fifo", budget=Budget(trials=3, epochs=4)), rows.append, lambda: 0.0)
    trial = loop.next()
    assert trial is not None
    loop.end("No model can be built.")
    assert loop.next() is None
    report = ProgressReport((row(1, 0.1),), 1)
    loop.on_report(trial, report)
    assert loop.judge(trial, report) == "stop"
    assert rows[-1].reason == loop.end_reason == "No model can be built."


def test_a_trial_whose_function_runs_to_its_end_continues() -> None:
    """While the code of a function after its last step runs, neither a user nor the study's end stops its trial."""
    loop = StudyLoop(job(scheduler="fifo", budget=Budget(trials=2, epochs=4)), lambda _: None, lambda: 0.0)
    trial = loop.next()
    loop.stop(trial, "A user stopped it.")
    loop.end("The study ends.")
    report = ProgressReport(finishing=True)
    loop.on_report(trial, report)
    assert loop.judge(trial, report) == "continue"


def test_a_trial_keeps_that_its_function_has_run_to_its_end() -> None:
    """The report after a function's end reaches later assignments of its trial, even after a resume."""
    loop = StudyLoop(job(scheduler="fifo", budget=Budget(trials=2, epochs=4)), lambda _: None, lambda: 0.0)
    trial = loop.next()
    assert not trial.assignment().finished
    loop.on_report(trial, ProgressReport((row(1, 0.1),), 1, last=True, finished=True))
    loop.on_report(trial, ProgressReport(epoch=1))
    assert Trial.from_json(trial.to_json()).assignment().finished


def test_a_trial_that_the_scheduler_stops_with_the_budget_s_last_epoch_is_not_cut_off() -> None:
    """A trial that the scheduler stops at the epoch that spends the budget stays stopped when the study gets more."""
    rows: list[DecisionRow] = []
    tuned = job(scheduler="asha", budget=Budget(trials=3, epochs=9, total_epochs=2))
    loop = StudyLoop(tuned, rows.append, lambda: 0.0)
    first_report(loop, [0.9])
    second = first_report(loop, [0.1])
    assert loop.end_reason == "The study's budget of 2 epochs is spent."
    assert (second.state, second.cut_off) == ("stopped", False)
    assert (rows[-1].trial_id, rows[-1].kind, rows[-1].rung) == ("0001", "stop", 1)


def test_a_trial_that_is_cut_off_has_the_config_that_the_scheduler_has_explored() -> None:
    """A trial that exploits another at the epoch that spends the budget is cut off in the segment that then begins."""
    rows: list[DecisionRow] = []
    tuned = job(scheduler=PBT(interval=1, quantile=0.5), budget=Budget(trials=2, epochs=9, total_epochs=2))
    loop = StudyLoop(tuned, rows.append, lambda: 0.0)
    first_report(loop, [0.9])
    second = first_report(loop, [0.1])
    assert [one.kind for one in rows if one.trial_id == "0001"] == ["start", "exploit", "explore", "stop"]
    assert (second.state, second.cut_off) == ("stopped", True)
    assert (second.segment, second.parent_trial, second.parent_epoch) == (2, "0000", 1)
    assert loop.scheduler.state()["members"]["0001"]["config"] == second.config


def test_a_trial_that_a_user_stops_is_not_cut_off() -> None:
    """A trial that a user has stopped stays stopped, even if the study's budget is spent at its next report."""
    tuned = job(scheduler="fifo", budget=Budget(trials=2, epochs=9, total_epochs=1))
    loop = StudyLoop(tuned, lambda _: None, lambda: 0.0)
    trial = loop.next()
    assert trial is not None
    loop.stop(trial, "A user stopped it.")
    report = ProgressReport((row(1, 0.1),), 1)
    loop.on_report(trial, report)
    assert loop.judge(trial, report) == "stop"
    assert (loop.end_reason is None, trial.cut_off) == (False, False)


def _ends(scheduler: str, trials: int, *, then: int) -> list[tuple[str, str, int]]:
    """The end of each trial on one worker in a study whose number of trials is another after three reports."""
    tuned = job(scheduler=scheduler, searcher="random", budget=Budget(trials=trials, epochs=9))
    loop = StudyLoop(tuned, lambda _: None, lambda: 0.0)
    reports = 0
    while (trial := loop.next()) is not None:
        verdict = "continue"
        while verdict == "continue":
            epoch = tuned.scheduler.next_milestone(trial.epoch, 9)
            report = ProgressReport((row(epoch, float(trial.config["x"]) + epoch / 100),), epoch, last=epoch == 9)
            loop.on_report(trial, report)
            verdict = loop.judge(trial, report)
            reports += 1
            if reports == 3:
                loop.adopt(tuned.replaced({"budget.trials": then}))
    return [(trial.trial_id, trial.state, trial.epoch) for trial in loop.trials.values()]


@pytest.mark.parametrize("scheduler", sorted(SCHEDULERS))
def test_the_scheduler_learns_that_the_number_of_trials_has_changed(scheduler: str) -> None:
    """A study whose number of trials a user changes early ends as one that has had that number from the start."""
    for before, after in ((12, 6), (6, 12)):
        assert _ends(scheduler, before, then=after) == _ends(scheduler, after, then=after)
