"""A study's course, driven without a recorder, a store or a clock."""

from pipeline.course.course import Course
from pipeline.course.decided import DecisionRow
from pipeline.course.messages import Report
from pipeline.study import Budget
from tests.unit.execution.played import row
from tests.unit.simulation.given import job


def test_seconds_are_those_that_it_is_told():
    """The budget of seconds is spent when whoever drives it says so."""
    now, rows = [0.0], list[DecisionRow]()
    course = Course(job(scheduler="fifo", budget=Budget(trials=3, epochs=4, seconds=10)), rows.append, lambda: now[0])
    trial = course.next()
    report = Report((row(1, 0.5),), 1)
    course.hear(trial, report)
    assert course.judge(trial, report) == "continue"
    now[0] = 10.0
    report = Report((row(2, 0.6),), 2)
    course.hear(trial, report)
    assert course.judge(trial, report) == "stop"
    assert course.next() is None
    assert [one.kind for one in rows] == ["start", "stop"]
    assert rows[-1].reason == course.over == "The study's budget of 10 seconds is spent."


def test_what_was_running_is_handed_out_again_after_a_restore():
    """A course restored from its JSON goes on with those that wait, before it draws anybody."""
    tuned = job(scheduler="fifo", budget=Budget(trials=3, epochs=4))
    first = Course(tuned, lambda _: None, lambda: 0.0)
    started = [first.next().trial_id, first.next().trial_id]
    second = Course(tuned, lambda _: None, lambda: 0.0)

    def wait(trials):
        for trial in trials:
            trial.state = "paused"

    second.restore(first.state(), wait)
    assert [second.next().trial_id for _ in range(3)] == [*started, "0002"]
    assert second.next() is None
    assert second.running
