"""`tunepipe check`: what would go wrong with a study after an hour, told before it starts."""

import json
from contextlib import closing, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.cli.options import (
    STORAGE,
    AcceptChanges,
    Address,
    JobName,
    JobOptions,
    Json,
    Resume,
    Storage,
    job_of,
    note,
    with_job_options,
)
from pipeline.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.execution.preflight.finding import Finding

__all__ = ["check"]

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "fault": ("✗", "red")}
_NAMES = 9
_LEVELS = 7


@with_job_options
def check(
    job: JobName,
    *,
    options: JobOptions,
    storage: Storage = STORAGE,
    resume: Resume = False,
    accept_changes: AcceptChanges = False,
    address: Address = None,
    wait: Annotated[
        float, typer.Option(min=1, help="Seconds in which the data are loaded and the first epochs trained.")
    ] = 120,
    as_json: Json = False,
) -> None:
    """Check a study before it starts: trains an epoch, builds models, looks at storage, data, resources, versions."""
    from pipeline.execution.preflight.check import Preflight
    from pipeline.execution.starting import started_from

    tuned = started_from(job_of(job, options.changes(storage), storage, resume=resume), storage, note)
    preflight = Preflight(
        tuned,
        storage,
        resume=resume,
        accept_changes=accept_changes,
        address=address,
        seconds=wait,
        note=note,
    )
    console = Console(stderr=as_json, highlight=False)
    found = []
    waiting = console.status("looking …", spinner_style="dim") if console.is_terminal else nullcontext()
    try:
        with waiting, closing(preflight.findings()) as findings:
            for finding in findings:
                found.append(finding)
                _show(console, finding)
    except KeyboardInterrupt:
        raise Interrupted("The check was interrupted; nothing of it is left.") from None
    if as_json:
        estimate = preflight.estimate and asdict(preflight.estimate)
        typer.echo(json.dumps({"job": tuned.name, "findings": [asdict(each) for each in found], "estimate": estimate}))
    console.print(f"\n{_verdict(found, job)}", markup=False, soft_wrap=True)
    if any(finding.level == "fault" for finding in found):
        raise typer.Exit(2)


def _show(console: Console, finding: "Finding") -> None:
    """A finding in its line, what to do below it; words rather than signs where nobody looks at a terminal."""
    if not console.is_terminal:
        advice = f" {finding.advice}" if finding.advice else ""
        end = "" if finding.found.endswith((".", "?", "!")) or not advice else "."
        text = f"{finding.level:<{_LEVELS}}  {finding.name:<{_NAMES}}  {finding.found}{end}{advice}"
        console.print(text, markup=False, soft_wrap=True)
        return
    mark, colour = _MARKS[finding.level]
    line = Table.grid(padding=(0, 1))
    line.add_column()
    line.add_column(width=_NAMES)
    line.add_column(overflow="fold")
    line.add_row(Text(mark, colour), Text(finding.name, "bold"), Text(finding.found))
    if finding.advice:
        line.add_row("", "", Text(finding.advice, "dim"))
    console.print(line)


def _verdict(found: "Sequence[Finding]", job: str) -> str:
    """The last sentence."""
    faults = sum(finding.level == "fault" for finding in found)
    warnings = sum(finding.level == "warning" and finding.looked for finding in found)
    unlooked = sum(not finding.looked for finding in found)
    told = [_counted(faults, "fault"), _counted(warnings, "warning"), f"{unlooked} not looked at" if unlooked else ""]
    counts = ", ".join(part for part in told if part)
    if faults:
        return f"{counts}: mend {'it' if faults == 1 else 'them'} before `tunepipe run {job}`."
    if counts:
        return f"{counts}: `tunepipe run {job}` can start."
    return f"Nothing stands in the way of `tunepipe run {job}`."


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'s' if count > 1 else ''}" if count else ""
