"""The command `tunepipe`: its groups, and the one place that prints an error."""

import gc
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from pipeline.cli.check import check
from pipeline.cli.compare import compare
from pipeline.cli.console import command_console, wrapped
from pipeline.cli.control import budget, enqueue, pause
from pipeline.cli.delete import delete
from pipeline.cli.explain import explain
from pipeline.cli.list import list_jobs
from pipeline.cli.process_end import ProcessEnd
from pipeline.cli.report import report
from pipeline.cli.rerun import rerun
from pipeline.cli.results import results
from pipeline.cli.run import resume, run
from pipeline.cli.serve import serve
from pipeline.cli.simulate import simulate
from pipeline.cli.sql import sql
from pipeline.cli.standard_streams import forget_output, guard_streams
from pipeline.cli.stop import stop
from pipeline.cli.studies import list_studies
from pipeline.cli.study import export, logs
from pipeline.cli.submit import status, submit
from pipeline.cli.usage import usage_error
from pipeline.cluster.driver_end import report_end, take_dashboard
from pipeline.errors import Interrupted, OutputLost, TunepipeError, UserError
from pipeline.hidden_modules import hidden_behind, hidden_text
from pipeline.sanitize import sanitize

__all__ = ["app", "main", "start"]

_THRESHOLDS = 50_000, 2, 2
"""Thresholds of the garbage collector: rare collections make commands start faster."""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(list_jobs)
app.command("check")(check)
app.command("simulate")(simulate)
app.command("run")(run)
app.command("resume")(resume)
app.command("submit")(submit)
app.command("status")(status)
app.command("stop")(stop)
app.command("pause")(pause)
app.command("enqueue")(enqueue)
app.command("budget")(budget)
app.command("studies")(list_studies)
app.command("results")(results)
app.command("sql")(sql)
app.command("explain")(explain)
app.command("compare")(compare)
app.command("report")(report)
app.command("serve")(serve)
app.command("export")(export)
app.command("logs")(logs)
app.command("rerun")(rerun)
app.command("delete")(delete)


def _say_version(wanted: bool) -> None:
    if wanted:
        from pipeline import __version__

        typer.echo(f"tunepipe {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Tune the hyperparameters of Keras models on Ray, with every result in Parquet."""


def main() -> None:
    """Run the command line: a user's mistake prints a paragraph, a bug prints a traceback."""
    # Before any code of a job runs.
    dashboard, final = take_dashboard(), False
    try:
        code = _run_app()
        # The disk may be full for the rest of the buffer, too.
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        _complain("Interrupted.")
        code = Interrupted.exit_code
    except TunepipeError as error:
        if isinstance(error, OutputLost):
            forget_output()
        if str(error):
            _complain(str(error))
        code, final = error.exit_code, error.final
    except (ImportError, AttributeError) as error:
        # A job's folder comes before those of Python: a file in it hides a module from tunepipe, too.
        if not (hidden := hidden_behind(error)):
            raise
        _complain(f"{type(error).__name__}: {error}. {hidden_text(hidden)}")
        code, final = UserError.exit_code, True
    report_end(dashboard, code or 0, final=final)
    sys.exit(code or 0)


def _complain(what: str) -> None:
    console = command_console(err=True)
    console.print("[bold red]tunepipe:[/] ", end="")
    text = sanitize(what)
    if console.is_terminal:
        text = wrapped(text, console.width, used=len("tunepipe: "))
    console.print(text, markup=False, soft_wrap=True)


def _run_app() -> int | None:
    """Let typer parse the command line without printing its own error messages."""
    try:
        code: int | None = app(prog_name="tunepipe", standalone_mode=False)
    except TyperException as error:
        raise usage_error(error) from None
    return code


def start() -> None:
    """The entry point of the command `tunepipe`."""
    # Imports make many objects and little garbage: a collection for each 700 takes an eighth of a command's start.
    gc.set_threshold(*_THRESHOLDS)
    guard_streams()
    end = ProcessEnd()
    try:
        main()
    except SystemExit as ended:
        end.code = int(ended.code or 0)
        raise


if __name__ == "__main__":
    start()
