"""FIFO."""

from pipeline.schedulers import FIFO, SchedulerContext


def test_every_trial_trains_to_its_end() -> None:
    """FIFO has no milestone before a trial's maximum, and no value stops a trial."""
    settings = FIFO()
    assert [settings.next_milestone(epoch, 8) for epoch in (0, 3, 7)] == [8, 8, 8]
    assert not settings.leaves_checkpoint(8, 8)
    scheduler = settings.build(SchedulerContext({}, "max", 8, 2, 0))
    decisions = [scheduler.on_result(trial, 8, value) for trial, value in (("0000", 0.9), ("0001", 0.0))]
    assert [decision.action for decision in decisions] == ["continue", "continue"]
    assert scheduler.state() == {}
