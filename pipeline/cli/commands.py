"""The commands of `tunepipe`, by their names."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline.cli.check import check
from pipeline.cli.control import budget, stop
from pipeline.cli.export import export
from pipeline.cli.results import compare, explain, results, sql
from pipeline.cli.run import resume, run
from pipeline.cli.simulate import simulate
from pipeline.cli.studies import delete, list_jobs, list_studies, report, serve
from pipeline.cli.submit import logs, status, submit
from pipeline.errors import Interrupted


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            # Typer would end the command without a word.
            raise Interrupted("Interrupted.") from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(list_jobs)
for command in (check, simulate, run, resume, submit, status, stop, budget):
    app.command(command.__name__)(command)
app.command("studies")(list_studies)
for command in (results, sql, explain, compare, report, serve, export, logs, delete):
    app.command(command.__name__)(command)


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
