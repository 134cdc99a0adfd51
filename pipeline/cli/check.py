"""`tunepipe check`: finds errors of a study before it starts."""

import shlex
from collections import Counter
from contextlib import closing, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from pipeline.cli.console import command_console, print_object
from pipeline.cli.job_options import JobOptions, with_job_options
from pipeline.cli.options import STORAGE, JobName, Json, Storage
from pipeline.errors import Interrupted
from pipeline.text import counted, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from pipeline.execution.check import Finding


_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red"), "skipped": ("–", "dim")}


@with_job_options()
def check(
    job: JobName,
    *,
    options: JobOptions,
    storage: Storage = STORAGE,
    wait: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Limit for loading the data and training first epochs.")
    ] = 120,
    as_json: Json = False,
) -> None:
    """Check a study before it starts. Train, resume and export a trial, build models, estimate time and memory."""
    from pipeline.execution.check import Finding, findings_of

    checked = options.job(job, storage, resume=False)
    console = command_console(err=as_json)
    found: list[Finding] = []
    estimate = None
    waiting = console.status("checking …", spinner_style="dim") if console.is_terminal else nullcontext()
    try:
        with waiting, closing(findings_of(checked, storage, seconds=wait)) as findings:
            for each in findings:
                if isinstance(each, Finding):
                    found.append(each)
                    _show(console, each)
                else:
                    estimate = each
    except KeyboardInterrupt:
        raise Interrupted("The check was interrupted. It left no files behind.") from None
    if as_json:
        print_object({"job": checked.name, "findings": [asdict(each) for each in found], "estimate": estimate})
    words = [job, *(["--from", options.given["from_"]] if "from_" in options.given else [])]
    console.print(f"\n{_verdict(found, shlex.join(words))}", markup=False)
    if any(finding.level == "error" for finding in found):
        raise typer.Exit(2)


def _show(console: "Console", finding: "Finding") -> None:
    """A finding on one line, with advice below it; words instead of symbols outside a terminal."""
    if not console.is_terminal:
        console.print(str(finding), markup=False, soft_wrap=True)
        return
    mark, colour = _MARKS[finding.level]
    found = Text(f"skipped: {finding.found}" if finding.level == "skipped" else finding.found)
    line = Table.grid(padding=(0, 1))
    line.add_row(Text(mark, colour), Text(f"{finding.name:<9}", "bold"), found)
    if finding.advice:
        line.add_row("", "", Text(finding.advice, "dim"))
    console.print(line)


def _verdict(findings: "Sequence[Finding]", job: str) -> str:
    """The last sentence."""
    found = Counter(finding.level for finding in findings)
    counts = [counted(found[level], level) for level in ("error", "warning") if found[level]]
    counts += [f"{counted(found['skipped'], 'check')} skipped"] if found["skipped"] else []
    then = f"`tunepipe run {job}` can start" if not found["error"] else f"Fix the errors before `tunepipe run {job}`"
    return f"{listed(counts) or 'No error found'}{'. ' if found['error'] else ': '}{then}."
