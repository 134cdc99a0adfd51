"""Lost workers, and the trials that lose them."""

import pytest

from pipeline.engine.messages import FINISH, ProgressReport
from pipeline.study import Budget
from tests.unit.execution.recorded_curves import kinds, row, saved_state, steps


def test_a_lost_worker_is_replaced_three_times_and_then_fails_the_trial(study):
    """A trial that loses its worker is retried three times, and the fourth loss fails the trial."""
    s = study()
    trial_id = s.session.next().trial_id
    failures = s.session.worker_failures
    assert [failures.on_worker_lost(trial_id, "killed.") is not None for _ in range(4)] == [True, True, True, False]
    assert s.session.loop.trials[trial_id].state == "failed"
    s.recorder.close("finished")
    assert kinds(s, trial_id) == ["start", "retry", "retry", "retry", "fail"]


def test_a_trial_that_gets_on_may_lose_any_number_of_workers(study):
    """Only lost workers without a new epoch in between count against a trial."""
    s = study(budget=Budget(trials=1, epochs=12))
    trial_id = s.session.next().trial_id
    for epoch in range(1, 12):
        assert s.session.worker_failures.on_worker_lost(trial_id, "taken away.") is not None
        s.session.on_report(trial_id, ProgressReport((row(epoch, 0.1, attempt=epoch + 1),), epoch))
    assert s.session.worker_failures.left(trial_id) == 3
    assert s.session.loop.trials[trial_id].attempt == 12


def test_an_epoch_trained_again_is_no_progress(study):
    """A trial that loses its worker four times at the same epoch fails, although it reported that epoch each time."""
    s = study(budget=Budget(trials=1, epochs=4))
    trial_id = s.session.next().trial_id
    reported = []
    for attempt in range(1, 5):
        s.session.on_report(trial_id, ProgressReport((row(1, 0.1, attempt=attempt),), 1))
        reported.append(s.session.worker_failures.on_worker_lost(trial_id, "out of memory.") is not None)
    assert reported == [True, True, True, False]


def test_epochs_trained_again_after_a_lost_worker_count_once(study):
    """Epochs that a second attempt trains again are in the table once, from the newer attempt."""
    s = study(budget=Budget(trials=1, epochs=4))
    trial_id = s.session.next().trial_id
    s.session.on_report(trial_id, ProgressReport((row(1, 0.1), row(2, 0.2), row(3, 0.3)), 3))
    s.session.worker_failures.on_worker_lost(trial_id, "killed.")
    again = tuple(row(e, 0.1 * e, attempt=2) for e in (2, 3, 4))
    s.session.on_report(trial_id, ProgressReport(again, 4, last=True))
    assert s.session.loop.total_epochs == 4
    s.recorder.close("finished")
    rows = s.store.read_table("epochs").to_pylist()
    assert [(r["epoch"], r["attempt"]) for r in rows] == [(1, 1), (2, 2), (3, 2), (4, 2)]


@pytest.mark.parametrize("how", ["interrupted", "ended"])
def test_a_worker_lost_after_its_trial_ended_changes_nothing(study, how):
    """A lost worker whose trial has ended leaves the trial unchanged."""
    running = study(budget=Budget(trials=2, epochs=2))
    assignment = running.session.next()
    running.session.on_report(assignment.trial_id, ProgressReport((row(1, 0.5),), 1))
    if how == "interrupted":
        running.session.loop.interrupt()
    else:
        running.session.on_report(assignment.trial_id, ProgressReport((row(2, 0.5),), 2, last=True))
    before = saved_state(running.session.loop)
    assert running.session.worker_failures.on_worker_lost(assignment.trial_id, "killed.") is None
    assert saved_state(running.session.loop) == before


def test_the_winners_worker_is_replaced_too(study):
    """While the winner is evaluated, a lost worker gets the same assignment again, until no attempt is left."""
    s = study(function=None, model=steps, data="digits", budget=Budget(trials=1, epochs=1))
    first = s.session.next()
    s.session.on_report(first.trial_id, ProgressReport((row(1, 0.5),), 1, last=True))
    winner, failures = s.session.next(), s.session.worker_failures
    assert winner.key == FINISH
    left = [(failures.left(winner.trial_id), failures.on_worker_lost(winner.trial_id, "killed.")) for _ in range(4)]
    assert left == [(3, winner), (2, winner), (1, winner), (0, None)]
