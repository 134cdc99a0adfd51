"""The progress that a user sees while a study runs."""

import io

import pytest
from rich.console import Console
from rich.text import Text

from pipeline.engine.messages import Report
from pipeline.execution.progress import Progress, time_left
from pipeline.space import Uniform
from pipeline.study import Budget, Objective
from tests.recorded_curves import row


class Ticks:
    """Stands for the event that ends the lines: at each tick something may happen, then the study ends."""

    def __init__(self, *happens) -> None:
        self._happens = list(happens)

    def wait(self, seconds: float) -> bool:
        if not self._happens:
            return True
        self._happens.pop(0)()
        return False


def nothing() -> None:
    """A tick in which only the clock advances."""


def test_a_line_is_printed_only_if_more_than_the_clock_changed(study, monkeypatch):
    s = study()
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(type(s.session.lease), "seconds", property(lambda _self: float(next(clock))))

    def epoch(number: int) -> None:
        s.session.on_report("0000", Report((row(number, 0.1),)))

    console = Console(file=io.StringIO(), width=200)
    happens = [nothing, nothing, s.session.next, nothing, lambda: epoch(1), nothing, lambda: epoch(2), nothing]
    Progress(console).print_lines(s.session, Ticks(*happens))
    reported = console.file.getvalue().splitlines()
    assert ["starting" in line for line in reported] == [True, False, False, False]
    assert ["1 epoch " in line for line in reported] == [False, False, True, False]
    assert "2 epochs" in reported[3]


def shown(session, width: int = 200) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with Progress(console).watch(session):
        pass
    return [line.rstrip() for line in Text.from_ansi(console.file.getvalue()).plain.splitlines() if line.strip()]


@pytest.mark.parametrize("width", [20, 80])
def test_the_live_display_fits_a_terminal_and_cuts_nothing(study, width):
    s = study(
        name="a-study-with-quite-a-long-name",
        space={"quite_a_long_parameter": Uniform(0, 1)},
        objectives=Objective("an_objective_with_a_long_name", "max"),
    )
    s.session.next()
    s.session.on_report("0000", Report((row(1, 0.1, an_objective_with_a_long_name=0.1),)))
    lines = shown(s.session, width)
    assert max(map(len, lines)) <= width
    whole = "".join("".join(lines).split())
    assert "…" not in whole
    for text in ("a-study-with-quite-a-long-name", "with_a_long_name0.1", "quite_a_long_parameter=", "(of4)"):
        assert text in whole


def test_a_study_says_how_long_it_takes_and_what_is_still_going_on_at_its_end(study):
    s = study()
    last_line = lambda: shown(s.session)[-1].strip()  # noqa: E731
    s.session.next()
    s.session.on_report("0000", Report((row(1, 0.1),)))
    assert last_line() == "left  unknown yet"
    s.session.on_report("0000", Report((row(2, 0.1),)))
    assert last_line().startswith("left  at most 0:")
    s.session.on_report("0000", Report((row(3, 0.3), row(4, 0.4)), last=True))
    assert last_line().startswith("left  about 0:")
    s.session.engine.end("The time is up.")
    assert last_line() == "ending  The time is up."
    s.session.interrupts.requested = True
    assert last_line() == "ending  as soon as the epochs in training are complete and checkpoints are written"


@pytest.mark.parametrize(
    ("scheduler", "budget", "state", "left"),
    [("asha", {}, "running", "0:05"), ("asha", {}, "paused", "0:03"), ("pbt", {}, "paused", "0:05")]
    + [("asha", {"total_epochs": 8}, "running", "0:01")]
    + [("asha", {"seconds": seconds}, "running", left) for seconds, left in ((9.0, "0:02"), (3.0, "0:00"))],
)
def test_the_time_left_is_bounded_by_the_budget(study, monkeypatch, scheduler, budget, state, left):
    s = study(function=lambda c, s: [c, s], scheduler=scheduler, budget=Budget(trials=4, epochs=4, **budget))
    for trial, epochs, ends in (("0000", 4, True), ("0001", 2, False)):
        s.session.next()
        s.session.on_report(trial, Report([row(epoch, 0.1) for epoch in range(1, epochs + 1)], last=ends))
    s.session.engine.trials["0001"].state = state
    monkeypatch.setattr(type(s.session), "epochs_per_second", 2.0)
    monkeypatch.setattr(type(s.session.lease), "seconds", 7.0)
    assert time_left(s.session) == f"{'at most' if scheduler == 'pbt' else 'about'} {left}"
