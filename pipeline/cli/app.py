"""The command `tunepipe`: its start and end, its output streams, and the one place that prints an error."""

import atexit
import codecs
import gc
import io
import os
import signal
import sys
from contextlib import suppress
from typing import Any

_THRESHOLDS = 50_000, 2, 2
"""Thresholds of the garbage collector: rare collections make commands start faster."""


def main() -> None:
    """Run the command line: a user's mistake prints a paragraph, a bug prints a traceback."""
    from pipeline.cluster.driver_end import report_end, take_dashboard
    from pipeline.errors import OutputLost, TunepipeError

    # Before any code of a job runs.
    dashboard, final = take_dashboard(), False
    try:
        code = _run_app()
        # The disk may be full for the rest of the buffer, too.
        if sys.stdout is not None:
            sys.stdout.flush()
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
    from pipeline.cli.console import print_text
    from pipeline.errors import UsageError
    from pipeline.text import notes_to

    try:
        with notes_to(lambda text: print_text(text, err=True)):
            code: int | None = app(prog_name="tunepipe", standalone_mode=False)
            return code
    except TyperException as error:
        message, context = str(error.format_message()).strip(), getattr(error, "ctx", None)
        # Without a command, the message is the help.
        if message and not message.startswith("Usage: "):
            known = f"{context.get_usage()}; see `{context.command_path} --help`" if context else "see `--help`"
            message = f"{message}{'' if message.endswith(('.', '?')) else '.'} {known}."
        raise UsageError(message) from None


class _Stream(io.FileIO):
    """A file descriptor whose output raises its own error class; messages that cannot be written are dropped."""

    def __init__(self, descriptor: int, *, has_messages: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._has_messages = has_messages

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except OSError as error:
            if self._has_messages:
                return len(memoryview(content).cast("B"))
            from pipeline.errors import OutputLost

            raise OutputLost(error.errno, error.strerror or str(error)) from None


class _Text(io.TextIOWrapper):
    def close(self) -> None:
        # A job's function may close it, and the command prints on.
        self.flush()


def guard_streams() -> None:
    """Replace `sys.stdout` by a stream that raises OutputLost, and `sys.stderr` by one that drops what it cannot write.

    Python's own streams raise the errors of any file, and raise them again while the interpreter ends. A character that
    the encoding of a stream lacks is written as its escape: Python would end the command with a traceback.
    """
    for name in ("stdout", "stderr"):
        # A caller may have closed it: it is then None in Python.
        if (stream := getattr(sys, name)) is not None:
            stream.flush()
            raw = io.BufferedWriter(_Stream(stream.fileno(), has_messages=name == "stderr"))
            # With PYTHONUNBUFFERED, the log of a driver has each line immediately.
            by_line = stream.line_buffering or getattr(stream, "write_through", False)
            errors = stream.errors if codecs.lookup(stream.encoding).name == "utf-8" else "backslashreplace"
            setattr(sys, name, _Text(raw, stream.encoding, errors, line_buffering=by_line))


def forget_output() -> None:
    """Redirect standard output to /dev/null, so that flushing its buffer raises no error."""
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


class ProcessEnd:
    """Ends the process after the exit functions that were registered after this object was made.

    While the interpreter ends, a thread of PyArrow that releases a Python object aborts the process: one command in
    a hundred on an object store ended with SIGABRT after its work was done.
    """

    def __init__(self) -> None:
        self.code = 1
        """The process's exit code; that of an error which nothing catches, unless it is set."""
        atexit.register(self._end)

    def _end(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            # Either one may be closed or lost by now, which main() has reported.
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(self.code)


def start() -> None:
    """The entry point of the command `tunepipe`."""
    # Imports make many objects and little garbage: a collection for each 700 takes an eighth of a command's start.
    # So this module imports nothing of tunepipe, and the commands with their libraries come after that.
    gc.set_threshold(*_THRESHOLDS)
    if receives := signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Nothing has begun. An exception in the middle of a library's import may become another one.
        signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))
    import pipeline.cli.commands  # noqa: F401  (before ProcessEnd, so that exit functions of libraries do not run)

    if receives:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    guard_streams()
    end = ProcessEnd()
    try:
        main()
    except SystemExit as ended:
        end.code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        raise


if __name__ == "__main__":
    start()
