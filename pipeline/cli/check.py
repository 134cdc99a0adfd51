"""`tunepipe check`: finds errors of a study before it starts."""

import shlex
from collections import Counter
from contextlib import closing
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from pipeline.cli.console import command_console, print_object
from pipeline.cli.job_options import JobOptions, with_job_options
from pipeline.cli.options import STORAGE, JobName, Json, Storage
from pipeline.errors import Interrupted
from pipeline.text import counted, listed


@with_job_options()
def check(
    job: JobName,
    *,
    options: JobOptions,
    storage: Storage = STORAGE,
    wait: Annotated[float, typer.Option(min=1, max=1e6, metavar="SECONDS", help="Maximum time of the check.")] = 120,
    as_json: Json = False,
) -> None:
    """Check a study before it starts. Train, resume and export a trial, build models, estimate time and memory."""
    from pipeline.execution.check import Finding, findings_of
    from pipeline.results.tables.trials import warm_started
    from pipeline.study.files import default_storage

    checked = warm_started(options.job(job, storage, resume=False), storage)
    console = command_console(err=as_json)
    found: list[Finding] = []
    estimate = None
    try:
        with console.status("checking …"), closing(findings_of(checked, storage, seconds=wait)) as findings:
            for each in findings:
                if isinstance(each, Finding):
                    found.append(each)
                    console.print(Text(str(each), {"error": "red", "warning": "yellow"}.get(each.level, "")))
                else:
                    estimate = each
    except KeyboardInterrupt:
        raise Interrupted("The check was interrupted. It left no files behind.") from None
    if as_json:
        print_object({"job": checked.name, "findings": [asdict(each) for each in found], "estimate": estimate})
    where = [] if storage == default_storage() else ["--storage", storage]
    command = f"`tunepipe run {shlex.join([job, *where, *options.arguments])}`"
    levels = Counter(finding.level for finding in found)
    counts = listed([counted(levels[level], level) for level in ("error", "warning") if levels[level]])
    if levels["error"]:
        console.print(f"\n{counts}. Fix the errors before {command}.", markup=False)
        raise typer.Exit(2)
    console.print(f"\n{counts or 'No error found'}: {command} can start.", markup=False)
