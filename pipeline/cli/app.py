"""The command `tunepipe`: its start, and the one place that prints an error."""

import gc
import sys

from pipeline.errors import Interrupted, OutputLost, TunepipeError, UsageError

_THRESHOLDS = 50_000, 2, 2
"""Thresholds of the garbage collector: rare collections make commands start faster."""


def main() -> None:
    """Run the command line: a user's mistake prints a paragraph, a bug prints a traceback."""
    from pipeline.cli.process import forget_output
    from pipeline.cluster.driver_end import report_end, take_dashboard

    # Before any code of a job runs.
    dashboard, final = take_dashboard(), False
    try:
        code = _run_app()
        # The disk may be full for the rest of the buffer, too.
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        _print_error("Interrupted.")
        code = Interrupted.exit_code
    except TunepipeError as error:
        if isinstance(error, OutputLost):
            forget_output()
        if str(error):
            _print_error(str(error))
        code, final = error.exit_code, error.final
    report_end(dashboard, code or 0, final=final)
    sys.exit(code or 0)


def _print_error(what: str) -> None:
    from pipeline.cli.console import command_console

    console = command_console(err=True)
    if not what.startswith("Usage: "):
        console.print("[bold red]tunepipe:[/] ", end="")
    console.print(what, markup=False, soft_wrap=True)


def _run_app() -> int | None:
    """Let typer parse the command line without printing its own error messages."""
    from typer.exceptions import TyperException

    from pipeline.cli.commands import app
    from pipeline.cli.console import note
    from pipeline.notes import notes_to

    try:
        with notes_to(note):
            code: int | None = app(prog_name="tunepipe", standalone_mode=False)
            return code
    except TyperException as error:
        message, context = str(error.format_message()).strip(), getattr(error, "ctx", None)
        # Without a command, the message is the help.
        if message and not message.startswith("Usage: "):
            known = f"{context.get_usage()}; see `{context.command_path} --help`" if context else "see `--help`"
            message = f"{message}{'' if message.endswith(('.', '?')) else '.'} {known}."
        raise UsageError(message) from None


def start() -> None:
    """The entry point of the command `tunepipe`."""
    # Imports make many objects and little garbage: a collection for each 700 takes an eighth of a command's start.
    # So this module imports nothing large, and the commands with their libraries come after that.
    gc.set_threshold(*_THRESHOLDS)
    try:
        import pipeline.cli.commands  # noqa: F401  (before ProcessEnd, so that exit functions of libraries do not run)
        from pipeline.cli.process import ProcessEnd, guard_streams
    except KeyboardInterrupt:
        # Nothing has begun.
        sys.exit(Interrupted.exit_code)
    guard_streams()
    end = ProcessEnd()
    try:
        main()
    except SystemExit as ended:
        end.code = int(ended.code or 0)
        raise


if __name__ == "__main__":
    start()
