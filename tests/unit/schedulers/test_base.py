"""What a scheduler does unless it says otherwise."""

from pipeline.schedulers.base import Scheduler, Selection


def test_the_earliest_trial_is_chosen() -> None:
    """The earliest waiting trial is chosen, and without waiting trials none is."""
    assert Scheduler().choose(["0002", "0001", "10000"]) == Selection("0001", "the earliest of those that wait")
    assert Scheduler().choose([]) is None


def test_trials_are_stopped_only_when_nothing_else_happens() -> None:
    """Waiting trials are stopped with a reason only when none runs and none can be drawn."""
    waiting = ["0001", "0002"]
    assert Scheduler().trials_to_stop(waiting, exhausted=False) == {}
    stopped = Scheduler().trials_to_stop(waiting, exhausted=True)
    assert list(stopped) == waiting
    assert {(each.action, each.reason) for each in stopped.values()} == {
        ("stop", "it was not chosen, and no other trial runs")
    }
