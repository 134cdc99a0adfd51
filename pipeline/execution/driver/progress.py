"""The progress of a running study: a live display on a terminal, plain lines in other output."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.engine.trial import LIVE_STATES
from pipeline.errors import OutputLost
from pipeline.execution.driver.session import Session
from pipeline.execution.notes import notes_to
from pipeline.results.analysis.parameters import format_value
from pipeline.results.analysis.queries import seconds_left
from pipeline.results.views.table import STATES
from pipeline.text import clock, counted, format_number, frequency, sanitize, sanitize_line

_LINE_SECONDS = 10.0

_SHOWN = 8
"""How many parameters of the best config are shown; all of a large space would hide the rest of the line."""

_LABELS, _WIDEST_BAR, _NARROWEST_BAR = 6, 36, 6
"""Columns of the live display: its labels, and its bar of trials, which is left out on a narrower terminal."""

_ORDER = sorted(STATES, key=lambda state: state not in LIVE_STATES)
"""States of live trials come first."""


def notebook_progress() -> "Progress | None":
    """Plain lines below the cell of a notebook; None if this process is not a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    if ipython is None or not hasattr(ipython.get_ipython(), "kernel"):
        return None
    return Progress(Console(file=sys.stdout, force_jupyter=False, force_terminal=False))


class Progress:
    """Shows a session while it runs."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def watch(self, session: Session) -> Iterator[None]:
        """Show the session while the context is open."""
        if self._console.is_terminal:
            content = _LiveDisplay(session)
            with (
                notes_to(self._print_note, again=False),
                Live(content, console=self._console, transient=True, redirect_stdout=False, redirect_stderr=False),
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
                self._print(session, over=True)

    def print_lines(self, session: Session, ended: threading.Event) -> None:
        """Print a line every ten seconds in which something changed."""
        printed = None
        while not ended.wait(_LINE_SECONDS):
            # The clock, the rate and the remaining time change by themselves: they are not a reason for a new line.
            progress = (_counts(session), session.engine.total_epochs, _best(session).plain, _end_or_pause(session))
            if progress != printed:
                self._print(session)
                printed = progress

    def _print_note(self, text: str) -> None:
        # Through the console, which prints above the display.
        self._console.print(sanitize(text), markup=False, highlight=False)

    def _print(self, session: Session, *, over: bool = False) -> None:
        # A study does not end because its progress cannot be written: the output at its end reports the error.
        with suppress(OutputLost):
            self._console.print(_line(session, over=over), highlight=False, markup=False, soft_wrap=True)


class _LiveDisplay:
    """The live display, drawn from the session at each refresh."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        session, job, engine = self._session, self._session.job, self._session.engine
        counts = _counts(session)
        head = Text.assemble((job.name, "bold"), "  ", (clock(session.file.seconds), "bright_black"), overflow="fold")
        states = Text("  ").join(
            Text(f"{count} {state}", style=STATES[state].colour) for state, count in counts.items() if count
        )
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="bright_black", justify="right", min_width=_LABELS)
        # A narrow terminal wraps long lines: nothing is cut.
        grid.add_column(overflow="fold")
        ended = counts["completed"] + counts["stopped"] + counts["failed"]
        count = f"{ended} of {engine.limit}"
        width = min(options.max_width - _LABELS - 2 - len(count) - 1, _WIDEST_BAR)
        bar = Table.grid(padding=(0, 1))
        if width < _NARROWEST_BAR:
            bar.add_row(count)
        else:
            bar.add_row(ProgressBar(total=engine.limit, completed=ended, width=width), count)
        grid.add_row("trials", bar)
        grid.add_row("", states or Text(f"{_starting(session)} …", style="bright_black"))
        grid.add_row("best", _best(session))
        rate, label, text = _outlook(session)
        grid.add_row("epochs", f"{engine.total_epochs}" + (f"  ({frequency(rate)})" if rate else ""))
        grid.add_row(label, text)
        yield head
        yield grid


def _line(session: Session, *, over: bool) -> str:
    counts = _counts(session)
    states = ", ".join(f"{count} {state}" for state, count in counts.items() if count) or _starting(session)
    rate, label, text = _outlook(session)
    parts = [
        clock(session.file.seconds),
        states,
        counted(session.engine.total_epochs, "epoch") + (f" ({frequency(rate)})" if rate else ""),
        f"best: {_best(session).plain}",
        *([] if over else [f"{label}: {text}"]),
    ]
    return "  |  ".join(parts)


def _outlook(session: Session) -> tuple[float | None, str, str]:
    """The rate, and the last row of the display with its label: the time left, or what a study that ends waits for."""
    rate, left = rate_and_time_left(session)
    return (rate, "left", left) if (found := _end_or_pause(session)) is None else (rate, *found)


def _end_or_pause(session: Session) -> tuple[str, str] | None:
    """The state of a study that is ending or paused, and its remaining work; None for any other."""
    engine, exporting = session.engine, session.final_evaluation.assigned
    if session.interrupt_requested:
        work = "the export of the best model is" if exporting else "the epochs in training are"
        return "ending", f"as soon as {work} over and checkpoints are written"
    if exporting:
        return "ending", "the best model is exported and evaluated"
    if engine.end_reason is not None:
        running = engine.counts.get("running", 0)
        work = f"{counted(running, 'trial')} to report" if running else "the results"
        return "ending", sanitize_line(f"waits for {work}. {engine.end_reason}")
    if engine.paused is not None:
        return "paused", sanitize_line(f"{engine.paused} Nothing trains until it is resumed.")
    return None


def _starting(session: Session) -> str:
    """What a session does before its first trial."""
    if session.job.resources.workers != 0:
        return "starting the workers"
    return "loading data and building the first model" if session.job.model is not None else "starting the first trial"


def _counts(session: Session) -> Counter[str]:
    counts = {str(state): count for state, count in session.engine.counts.items()}
    return Counter({state: counts.get(state, 0) for state in _ORDER})


def _best(session: Session) -> Text:
    trial = session.engine.best
    if trial is None or (best := trial.best) is None:
        return Text("none yet", style="bright_black")
    shown = dict(islice(best.config.items(), _SHOWN))
    config = "  ".join(f"{name}={format_value(value)}" for name, value in shown.items())
    if more := len(best.config) - len(shown):
        config += f"  and {more} more"
    value = sanitize_line(f"{session.job.objective.metric} {format_number(best.value)}")
    where = f"  trial {trial.trial_id}, epoch {best.epoch}  "
    return Text.assemble((value, "bold"), (where, "bright_black"), config)


def rate_and_time_left(session: Session) -> tuple[float | None, str]:
    """How fast a study trains, and how much longer it will take."""
    engine, rate = session.engine, session.rate.per_second
    trials = list(engine.trials.values())
    ended = [trial.epoch for trial in trials if not trial.live]
    left = seconds_left(
        session.job.budget,
        rate=rate,
        ended=ended,
        live=[trial.epoch for trial in trials if trial.live],
        limit=engine.limit,
        seconds=session.file.seconds,
        waited=session.rate.waited(time.monotonic()),
    )
    return rate, "unknown yet" if left is None else f"{'about' if ended else 'at most'} {clock(left)}"
