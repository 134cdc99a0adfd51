"""Typer's complaints about a command line, in tunepipe's words: what was wrong, what is allowed, what to do."""

import difflib
import re
from collections.abc import Collection
from typing import Any

from typer.exceptions import TyperException

from pipeline.errors import UsageError

__all__ = ["usage_error"]


def usage_error(error: TyperException) -> UsageError:
    """A command line that cannot be read, as an error of the tree.

    Args:
        error: What typer raised; its text is empty where it has printed its help instead.
    """
    told = str(getattr(error, "format_message", error.__str__)()).strip().rstrip(".")
    context: Any = getattr(error, "ctx", None)
    if not told:
        return UsageError("")
    if context is None:
        return UsageError(f"{told}. `tunepipe COMMAND --help` says more.")
    command, more = context.command_path, f"`{context.command_path} --help` says more."
    option = getattr(error, "option_name", None)
    if option:
        options = [name for param in context.command.params for name in param.opts if name.startswith("--")]
        return UsageError(f"`{command}` has no option {option}.{_near(option, options)} {_there(options)}; {more}")
    if commands := getattr(context.command, "commands", None):
        quoted = re.search(r"'(.*?)'", told)
        word = quoted[1] if quoted else ""
        return UsageError(f"There is no command {word!r}.{_near(word, commands)} {_there(commands)}; {more}")
    usage = context.get_usage().removeprefix("Usage: ").strip()
    return UsageError(f"{_bad_value(error) or told}. It is called as `{usage}`; {more}")


def _bad_value(error: TyperException) -> str | None:
    """What a typed option must be, and what was found; None where that is not what is wrong."""
    from pydantic import ValidationError

    from pipeline.study.faults import read_faults

    param: Any = getattr(error, "param", None)
    if param is None or not isinstance(error.__cause__, ValidationError):
        return None
    fault = read_faults(error.__cause__, [])[0]
    return f"{param.opts[0]} {fault.allowed}; found {fault.found!r}"


def _near(word: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""


def _there(names: Collection[str]) -> str:
    return f"There {'is' if len(names) == 1 else 'are'} {', '.join(names)}"
