"""A bracket: trials that start together, of which the best continue from rung to rung."""

from pipeline.schedulers.bracket import Bracket


def _reported(bracket: Bracket, epoch: int, values: dict[str, float]) -> None:
    for trial_id, value in values.items():
        bracket.rungs[epoch].values[trial_id] = value


def test_a_bracket_decides_when_all_its_trials_have_reported_or_ended() -> None:
    """A third of the trials continues once each has reported at the rung or ended; before, none does."""
    bracket = Bracket(0, (1, 3, 9), 3.0, "max", size=6)
    bracket.trials = ["a", "b", "c", "d", "e", "f"]
    _reported(bracket, 1, {"a": 0.1, "b": 0.9, "c": 0.3, "d": 0.8, "e": 0.2})
    assert bracket.compare(set()) == []

    assert bracket.compare({"f"}) == ["b", "d"]
    assert bracket.cutoff(bracket.rungs[1]) == 0.8
    assert bracket.stop_decision("c", bracket.rungs[1]).action == "stop"


def test_later_brackets_have_fewer_trials_and_start_later() -> None:
    """As published, bracket 0 of three rungs has nine trials, and the last one three that train to the end."""
    brackets = [Bracket(number, (1, 3, 9), 3.0, "min", size=None) for number in range(3)]
    assert [(bracket.size, min(bracket.rungs)) for bracket in brackets] == [(9, 1), (5, 3), (3, 9)]


def test_a_bracket_is_restored() -> None:
    """A bracket restored from its state has the same trials, decisions and rungs."""
    first, second = (Bracket(0, (1, 3, 9), 3.0, "max", size=3) for _ in range(2))
    first.trials = ["a", "b", "c"]
    _reported(first, 1, {"a": 0.1, "b": 0.9, "c": 0.3})
    first.compare(set())
    second.restore(first.state())
    assert second.state() == first.state()
    assert second.is_full
