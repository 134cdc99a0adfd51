"""Typer's errors about a command line as tunepipe's: what was wrong, what is allowed, what to do."""

import re
import sys
from collections.abc import Collection
from typing import Any

from typer.exceptions import TyperException

from pipeline.errors import UsageError
from pipeline.wording import closest, did_you_mean


def usage_error(error: TyperException) -> UsageError:
    """A UserError for a command line that typer refuses."""
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


def _bad_value(error: TyperException) -> str | None:
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
