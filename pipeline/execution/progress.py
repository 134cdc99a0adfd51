"""What a person sees while a study runs: a live display on a terminal, plain lines elsewhere."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.execution.session import Session
from pipeline.results.numbers import format_number, format_value
from pipeline.results.states import STATES

__all__ = ["Progress"]

_LINE_SECONDS = 10.0

_ORDER = sorted(STATES, key=lambda state: not STATES[state].lasting)
"""What is going on is told first."""


class Progress:
    """Shows a session while it runs.

    Args:
        console: Where to. A console that is no terminal gets a line every ten seconds in which something happened.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def watch(self, session: Session) -> Iterator[None]:
        """Show the session as long as the context is open."""
        if self._console.is_terminal:
            picture = _Picture(session)
            with Live(picture, console=self._console, transient=True, redirect_stdout=False, redirect_stderr=False):
                yield
            return
        ended = threading.Event()
        lines = threading.Thread(target=self._lines, args=(session, ended), name="progress", daemon=True)
        lines.start()
        try:
            yield
        finally:
            ended.set()
            lines.join()
            if session.total_epochs:
                self._console.print(_line(session), highlight=False, markup=False, soft_wrap=True)

    def _lines(self, session: Session, ended: threading.Event) -> None:
        shown = None
        while not ended.wait(_LINE_SECONDS):
            # The clock, the pace and what is left change by themselves: they are worth no line of their own.
            happened = (_counts(session), session.total_epochs, _best(session).plain)
            if happened != shown:
                self._console.print(_line(session), highlight=False, markup=False, soft_wrap=True)
                shown = happened


class _Picture:
    """The live display, drawn anew from the session at each refresh."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __rich__(self) -> RenderableType:
        session, job = self._session, self._session.job
        counts = _counts(session)
        head = Text.assemble((job.name, "bold"), "  ", (_clock(session.seconds), "bright_black"))
        states = Text("  ").join(
            Text(f"{count} {state}", style=STATES[state].colour) for state, count in counts.items() if count
        )
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="bright_black", justify="right")
        grid.add_column()
        ended = counts["completed"] + counts["stopped"] + counts["failed"]
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(total=session.limit, completed=ended, width=36), f"{ended} of {session.limit}")
        grid.add_row("trials", bar)
        grid.add_row("", states or Text("starting the workers …", style="bright_black"))
        grid.add_row("best", _best(session))
        rate, left = _pace(session)
        grid.add_row("epochs", f"{session.total_epochs}" + (f"  ({rate:.1f} a second)" if rate else ""))
        grid.add_row("left", left)
        return Group(head, grid)


def _line(session: Session) -> str:
    counts = _counts(session)
    states = ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "starting the workers"
    rate, left = _pace(session)
    parts = [
        _clock(session.seconds),
        states,
        f"{session.total_epochs} epochs" + (f" ({rate:.1f} a second)" if rate else ""),
        f"best: {_best(session).plain}",
        f"left: {left}",
    ]
    return "  |  ".join(parts)


def _counts(session: Session) -> Counter[str]:
    found = Counter(str(trial.state) for trial in list(session.trials.values()))
    return Counter({state: found[state] for state in _ORDER})


def _best(session: Session) -> Text:
    best = session.best
    if best is None or best.best is None:
        return Text("none yet", style="bright_black")
    config = "  ".join(f"{name}={format_value(value)}" for name, value in best.best_config.items())
    value = f"{session.job.objective.metric} {format_number(best.best)}"
    where = f"  trial {best.trial_id}, epoch {best.best_epoch}  "
    return Text.assemble((value, "bold"), (where, "bright_black"), config)


def _pace(session: Session) -> tuple[float | None, str]:
    """Epochs a second since the first, and the time that is left by it, at most what the budget leaves."""
    trials = list(session.trials.values())
    trained = session.total_epochs - session.epochs_before
    if session.first_epoch_at is None or trained < 2:
        return None, "unknown yet"
    elapsed = time.monotonic() - session.first_epoch_at
    rate = trained / elapsed if elapsed > 0 else None
    ended = [trial.epoch for trial in trials if not trial.live]
    budget, bounds = session.job.budget, []
    if rate and ended:
        mean = sum(ended) / len(ended)
        going = sum(max(mean - trial.epoch, 0) for trial in trials if trial.live)
        bounds.append((going + mean * (session.limit - len(trials))) / rate)
    if rate and budget.total_epochs is not None:
        bounds.append((budget.total_epochs - session.total_epochs) / rate)
    if budget.seconds is not None:
        bounds.append(budget.seconds - session.seconds)
    return rate, f"about {_clock(max(min(bounds), 0))}" if bounds else "unknown yet"


def _clock(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
