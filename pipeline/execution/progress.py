"""The progress of a running study: a live display on a terminal, plain lines in other output."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.engine.limits import seconds_left
from pipeline.errors import OutputLost
from pipeline.execution.driver.session import Session
from pipeline.notes import notes_to
from pipeline.text import clock, counted, format_number, frequency, sanitize, sanitize_line

_LINE_SECONDS = 10.0

_SHOWN = 8
"""How many parameters of the best config are shown; all of a large space would hide the rest of the line."""

_WIDEST_BAR, _NARROWEST_TERMINAL = 36, 60
"""The columns of the bar of trials, which narrower terminals do not show."""


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
                self._print(_shown(session)[:-1], session)

    def print_lines(self, session: Session, ended: threading.Event) -> None:
        """Print a line every ten seconds in which something changed."""
        printed = None
        while not ended.wait(_LINE_SECONDS):
            rows = _shown(session)
            # The clock, the rate and the remaining time change by themselves: they are not a reason for a new line.
            label, text = rows[-1]
            state = (session.engine.total_epochs, rows[0], rows[2], label, label != "left" and text)
            if state != printed:
                self._print(rows, session)
                printed = state

    def _print_note(self, text: str) -> None:
        # Through the console, which prints above the display.
        self._console.print(sanitize(text), markup=False, highlight=False)

    def _print(self, rows: list[tuple[str, str]], session: Session) -> None:
        parts = [text if label in ("trials", "epochs") else f"{label}: {text}" for label, text in rows]
        # A study does not end because its progress cannot be written: the output at its end reports the error.
        with suppress(OutputLost):
            line = "  |  ".join([clock(session.lease.seconds), *parts])
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)


class _LiveDisplay:
    """The live display, drawn from the session at each refresh."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        session, engine = self._session, self._session.engine
        ended = engine.counts["completed"] + engine.counts["stopped"] + engine.counts["failed"]
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="bright_black", justify="right")
        # A narrow terminal wraps long lines: nothing is cut.
        grid.add_column(overflow="fold")
        if options.max_width >= _NARROWEST_TERMINAL:
            grid.add_row("", ProgressBar(total=engine.limit, completed=ended, width=_WIDEST_BAR))
        for label, text in _shown(session):
            grid.add_row(label, f"{ended} of {engine.limit}: {text}" if label == "trials" else text)
        yield Text(f"{session.job.name}  {clock(session.lease.seconds)}", style="bold", overflow="fold")
        yield grid


def _shown(session: Session) -> list[tuple[str, str]]:
    """What is shown of a session, with labels: its trials, epochs and best value, and the time left or what it waits
    for.
    """
    engine, rate = session.engine, session.rate.per_second
    states = ", ".join(f"{count} {state}" for state, count in list(engine.counts.items()) if count)
    pace = f" ({frequency(rate)})" if rate else ""
    return [
        ("trials", states or _starting(session)),
        ("epochs", f"{counted(engine.total_epochs, 'epoch')}{pace}"),
        ("best", _best(session)),
        _end_or_pause(session) or ("left", time_left(session)),
    ]


def _end_or_pause(session: Session) -> tuple[str, str] | None:
    """The state of a study that is ending or paused, and its remaining work; None for any other."""
    engine, exporting = session.engine, session.final_evaluation.assigned
    if session.interrupt_requested:
        work = "the export of the best model is" if exporting else "the epochs in training are"
        return "ending", f"as soon as {work} over and checkpoints are written"
    if exporting:
        return "ending", "the best model is exported and evaluated"
    if engine.end_reason is not None:
        running = engine.counts["running"]
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
    """How much longer a study will take."""
    engine, trials = session.engine, list(session.engine.trials.values())
    ended = [trial.epoch for trial in trials if not trial.live]
    left = seconds_left(
        session.job.budget,
        rate=session.rate.per_second,
        ended=ended,
        live=[trial.epoch for trial in trials if trial.live],
        limit=engine.limit,
        seconds=session.lease.seconds,
    )
    return "unknown yet" if left is None else f"{'about' if ended else 'at most'} {clock(left)}"
