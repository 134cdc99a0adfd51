"""What a person sees while a study runs, where there is no terminal."""

import io

from rich.console import Console

from pipeline.course.messages import Report
from pipeline.execution.progress import Progress
from pipeline.results.states import STATES
from tests.unit.execution.played import row


class Ticks:
    """Stands for the event that ends the lines: at each tick something may happen, then the study ends."""

    def __init__(self, *happens) -> None:
        self._happens = list(happens)

    def wait(self, seconds: float) -> bool:
        """Let the next thing happen; true once there is none."""
        if not self._happens:
            return True
        self._happens.pop(0)()
        return False


def nothing() -> None:
    """A tick in which only the clock goes on."""


def lines(session, *happens) -> list[str]:
    """The lines that are printed over such ticks."""
    console = Console(file=io.StringIO(), width=200)
    Progress(console)._lines(session, Ticks(*happens))
    return console.file.getvalue().splitlines()


def test_a_line_comes_only_where_something_but_the_clock_changed(study, monkeypatch):
    """Quiet ticks print nothing, though the clock and what is left go on; an epoch or another state does."""
    s = study()
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(type(s.recorder), "seconds", property(lambda _self: float(next(clock))))

    def epoch(number: int) -> None:
        s.session.report("0000", Report((row(number, 0.1),), number))

    told = lines(
        s.session, nothing, nothing, s.session.next, nothing, lambda: epoch(1), nothing, lambda: epoch(2), nothing
    )
    assert ["starting the workers" in line for line in told] == [True, False, False, False]
    assert ["1 epochs" in line for line in told] == [False, False, True, False]
    assert "2 epochs" in told[3]


def test_every_state_of_a_trial_has_its_word_and_its_colour(study):
    """The display knows each state that a trial may have: none falls out of the counts."""
    from typing import get_args

    from pipeline.course.trial import TrialState

    assert set(STATES) == set(get_args(TrialState))
