"""The command `tunepipe`: its groups, and the one place that prints an error."""

import gc
import sys
from typing import Annotated

import typer
from rich.console import Console
from typer.exceptions import TyperException

from pipeline.cli.check import check
from pipeline.cli.compare import compare
from pipeline.cli.delete import delete
from pipeline.cli.explain import explain
from pipeline.cli.jobs import list_jobs
from pipeline.cli.report import report
from pipeline.cli.rerun import rerun
from pipeline.cli.results import results
from pipeline.cli.run import resume, run
from pipeline.cli.simulate import simulate
from pipeline.cli.sql import sql
from pipeline.cli.studies import list_studies
from pipeline.cli.study import export, logs
from pipeline.cli.submit import status, stop, submit
from pipeline.cli.usage import usage_error
from pipeline.errors import Interrupted, TunepipeError
from pipeline.legible import legible

__all__ = ["app", "main", "start"]

_THRESHOLDS = 50_000, 2, 2
"""Python looks for garbage among so many new objects, each second time among older ones too, of those each second time
among all."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
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
app.command("studies")(list_studies)
app.command("results")(results)
app.command("sql")(sql)
app.command("explain")(explain)
app.command("compare")(compare)
app.command("report")(report)
app.command("export")(export)
app.command("logs")(logs)
app.command("rerun")(rerun)
app.command("delete")(delete)


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"tunepipe {version('tunepipe')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Tune Keras networks with Ray Tune, and gather every result into Parquet."""


def main() -> None:
    """Run the command line; a user's mistake ends in a paragraph, a bug in a traceback."""
    try:
        sys.exit(_called())
    except KeyboardInterrupt:
        Console(stderr=True).print("[bold red]tunepipe:[/] Interrupted.")
        sys.exit(Interrupted.exit_code)
    except TunepipeError as error:
        if str(error):
            Console(stderr=True).print("[bold red]tunepipe:[/] ", end="")
            Console(stderr=True, markup=False, highlight=False).print(legible(str(error)), soft_wrap=True)
        sys.exit(error.exit_code)


def _called() -> int | None:
    """Let typer read the command line, but not print what is wrong with it."""
    try:
        code: int | None = app(prog_name="tunepipe", standalone_mode=False)
    except TyperException as error:
        raise usage_error(error) from None
    return code


def start() -> None:
    """The command `tunepipe`, in a process of its own."""
    # Imports make many objects and little garbage: looking for it each 700 takes an eighth of a command's start.
    gc.set_threshold(*_THRESHOLDS)
    try:
        main()
    finally:
        # Nor need Python look for it once more at its end, in all that was imported.
        gc.freeze()


if __name__ == "__main__":
    start()
