"""The command `tunepipe`: its start, and the one place that prints an error."""

import gc
import re
import sys
from collections.abc import Collection
from typing import Any

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
    from pipeline.cli.console import command_console, wrapped
    from pipeline.text import sanitize

    console = command_console(err=True)
    console.print("[bold red]tunepipe:[/] ", end="")
    text = sanitize(what)
    if console.is_terminal:
        text = wrapped(text, console.width, used=len("tunepipe: "))
    console.print(text, markup=False, soft_wrap=True)


def _run_app() -> int | None:
    """Let typer parse the command line without printing its own error messages."""
    from typer.exceptions import TyperException

    from pipeline.cli.commands import app

    try:
        code: int | None = app(prog_name="tunepipe", standalone_mode=False)
    except TyperException as error:
        raise _usage_error(error) from None
    return code


def _usage_error(error: Exception) -> UsageError:
    """A UserError for a command line that typer refuses."""
    from pipeline.text import did_you_mean

    message = str(getattr(error, "format_message", error.__str__)()).strip().rstrip(".")
    context: Any = getattr(error, "ctx", None)
    if not message:
        return UsageError("")
    if context is None:
        return UsageError(f"{message}.{_trials(message)} See `tunepipe COMMAND --help`.")
    command, more = context.command_path, f"see `{context.command_path} --help`."
    option = getattr(error, "option_name", None)
    if option:
        options = [name for param in context.command.params for name in param.opts if name.startswith("--")]
        hints = f"{_meant(option, options)}{_file(option)} {_available(options)}"
        return UsageError(f"`{command}` has no option {option}.{hints}; {more}")
    if commands := getattr(context.command, "commands", None):
        quoted = re.search(r"'(.*?)'", message)
        word = quoted[1] if quoted else ""
        return UsageError(f"There is no command {word!r}.{did_you_mean(word, commands)} {_available(commands)}; {more}")
    usage = context.get_usage().removeprefix("Usage: ").strip()
    return UsageError(f"{_bad_value(error) or message}. Usage: `{usage}`; {more}")


def _bad_value(error: Exception) -> str | None:
    """What an option's value must be, and what was found; None for other errors."""
    from pydantic import ValidationError

    from pipeline.study.faults import read_faults

    param: Any = getattr(error, "param", None)
    if param is None or not isinstance(error.__cause__, ValidationError):
        return None
    fault = read_faults(error.__cause__, [])[0]
    return f"{param.opts[0]} {fault.allowed}; found {fault.found!r}"


def _trials(message: str) -> str:
    """How to name a trial, for a command line without one."""
    return " It is a trial's id or number; `tunepipe results STUDY` shows the best." if "'--trial'" in message else ""


def _meant(option: str, options: Collection[str]) -> str:
    """The option that an unknown one, or else its value (`--format savedmodel`), may mean, as a sentence."""
    from pipeline.text import closest

    # The dashes are not compared: with them, any two short options would be similar.
    names = {name.lstrip("-"): name for name in options}
    for word in (option, _value_of(option)):
        if word and (near := closest(word.lstrip("-"), names)) is not None:
            return f" Did you mean {names[near]}?"
    return ""


def _value_of(option: str) -> str:
    """The value after an unknown option on the command line; empty without one."""
    for word, after in zip(sys.argv, [*sys.argv[1:], ""], strict=True):
        if word == option:
            return "" if after.startswith("-") else after
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
    return ""


def _file(option: str) -> str:
    """How to pass a job file whose name starts with a dash."""
    file = next((word for word in sys.argv if word.startswith(option) and word.endswith(".py")), None)
    return f" For the file of that name, write ./{file}." if file else ""


def _available(names: Collection[str]) -> str:
    return f"Available: {', '.join(names)}"


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
