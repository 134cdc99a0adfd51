"""The progress of a running study: a live display on a terminal, plain lines in other output."""

import math
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice

from rich.console import Console
from rich.live import Live
from rich.table import Table

from pipeline.errors import OutputLost
from pipeline.execution.driver.session import Session
from pipeline.text import clock, counted, format_number, notes_to, sanitize, sanitize_line

_LINE_SECONDS = 10.0

_BEFORE = "0 epochs: libraries are loaded, and the first one is compiled"

_SHOWN = 4
"""How many parameters of the best config are shown; all of a large space would hide the rest of the line."""


def notebook_progress() -> "Progress | None":
    """Plain lines below the cell of a notebook; None if this process is not a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    if ipython is None or not hasattr(ipython.get_ipython(), "kernel"):
        return None
    return Progress(Console(file=sys.stdout, force_jupyter=False, force_terminal=False, emoji=False))


class Progress:
    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def watch(self, session: Session) -> Iterator[None]:
        if self._console.is_terminal:
            with (
                # The console prints above the display.
                notes_to(lambda text: self._console.print(sanitize(text), markup=False, highlight=False), again=False),
                Live(
                    get_renderable=lambda: _grid(session),
                    console=self._console,
                    transient=True,
                    redirect_stdout=False,
                    redirect_stderr=False,
                ),
            ):
                yield
            return
        ended = threading.Event()
        lines = threading.Thread(target=self.print_lines, args=(session, ended), name="progress", daemon=True)
        lines.start()
        try:
            yield
        finally:
            ended.set()
            lines.join()
            if session.engine.total_epochs:
                self._print(_rows(session)[:-1], session)

    def print_lines(self, session: Session, ended: threading.Event) -> None:
        """Print a line every ten seconds in which something changed."""
        printed = None
        while not ended.wait(_LINE_SECONDS):
            rows = _rows(session)
            # The clock, the rate and the remaining time change by themselves: they are not a reason for a new line.
            state = (session.engine.total_epochs, rows[0], rows[2], rows[3] if rows[3][0] != "left" else None)
            if state != printed:
                self._print(rows, session)
                printed = state

    def _print(self, rows: list[tuple[str, str]], session: Session) -> None:
        parts = [text if label in ("trials", "epochs") else f"{label}: {text}" for label, text in rows]
        # A study does not end because its progress cannot be written: the output at its end reports the error.
        with suppress(OutputLost):
            line = "  |  ".join([clock(session.lease.seconds), *parts])
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def _grid(session: Session) -> Table:
    """The live display, drawn from the session at each refresh."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bright_black", justify="right")
    # A narrow terminal wraps long lines: nothing is cut.
    grid.add_column(overflow="fold")
    grid.add_row(clock(session.lease.seconds), session.job.name)
    for label, text in _rows(session):
        grid.add_row(label, f"{text} (of {session.engine.limit})" if label == "trials" else text)
    return grid


def _rows(session: Session) -> list[tuple[str, str]]:
    """What is shown of a session, with labels."""
    engine, rate = session.engine, session.epochs_per_second
    states = ", ".join(f"{count} {state}" for state, count in engine.counts.items() if count)
    pace = f" ({format_number(rate)} per second)" if rate else ""
    if engine.interrupted or session.interrupts.requested:
        left = "ending", "as soon as the epochs in training are complete and checkpoints are written"
    elif session.export.assigned:
        left = "ending", "the best model is exported and evaluated"
    elif engine.end_reason is not None:
        left = "ending", sanitize_line(engine.end_reason)
    else:
        left = "left", time_left(session)
    return [
        ("trials", states or "starting"),
        ("epochs", f"{counted(engine.total_epochs, 'epoch')}{pace}" if engine.total_epochs else _BEFORE),
        ("best", _best(session)),
        left,
    ]


def _best(session: Session) -> str:
    trial = session.engine.best
    if trial is None or (best := trial.best) is None:
        return "none yet"
    values = {name: format_number(x) if isinstance(x, float) else str(x) for name, x in best.config.items()}
    config = "  ".join(f"{name}={value}" for name, value in islice(values.items(), _SHOWN))
    more = f"  and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    value = f"{session.job.objective.metric} {format_number(best.value)}"
    return sanitize_line(f"{value}  trial {trial.trial_id}, epoch {best.epoch}  {config}{more}")


def time_left(session: Session) -> str:
    engine, budget, rate = session.engine, session.job.budget, session.epochs_per_second
    # Trials are expected to train as many epochs as those that have ended or wait; few of these are promoted.
    # The members of a population all continue.
    trials = [] if session.job.scheduler.exploits else list(engine.trials.values())
    known = [trial.epoch for trial in trials if trial.state != "running"]
    epochs = engine.limit * (sum(known) / len(known) if known else budget.epochs)
    bounds = [] if not rate else [(min(epochs, budget.total_epochs or math.inf) - engine.total_epochs) / rate]
    bounds += [] if budget.seconds is None else [budget.seconds - session.lease.seconds]
    if not bounds:
        return "unknown yet"
    return f"{'about' if known else 'at most'} {clock(max(min(bounds), 0.0))}"
