"""How fast a session trains."""

from pipeline.execution.driver.training_rate import TrainingRate


def test_the_rate_is_that_between_reports() -> None:
    """The rate counts the epochs after the first report, in the time since then; reports without epochs do not."""
    rate = TrainingRate()
    assert (rate.per_second, rate.waited(5.0)) == (None, 0.0)
    rate.on_report(8, 100.0)
    assert rate.per_second is None
    rate.on_report(0, 101.0)
    rate.on_report(2, 104.0)
    rate.on_report(4, 108.0)
    assert rate.per_second == 6 / 8
    assert (rate.waited(110.0), rate.waited(1000.0)) == (2.0, 4.0)


def test_a_pause_is_left_out() -> None:
    """The time of a pause and the epochs of the first report after it do not count."""
    rate = TrainingRate()
    rate.on_report(1, 0.0)
    rate.on_report(1, 2.0)
    rate.pause()
    assert rate.waited(500.0) == 0.0
    rate.on_report(7, 1000.0)
    rate.on_report(1, 1002.0)
    assert rate.per_second == 0.5
