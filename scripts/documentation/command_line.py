"""Whether a command line of tunepipe can be read by its parser."""

import shlex
from typing import Any

import typer

from pipeline.cli.commands import app


def unreadable(text: str) -> str | None:
    """What is wrong with a command line of tunepipe; None if its command, options and values can be read."""
    words = shlex.split(text.partition(" | ")[0], comments=True)
    if words[-1] == "&":
        words.pop()
    name, *arguments = words[1:]
    if name.startswith("-"):
        known = {option for parameter in _group().params for option in parameter.opts}
        return None if name in known else f"there is no option {name!r}"
    if name not in _commands():
        return f"there is no command {name!r}"
    if "--help" in arguments:
        return None
    try:
        _commands()[name].make_context(name, arguments)
    except Exception as error:
        return str(error) or type(error).__name__
    return None


def _group() -> Any:
    return typer.main.get_command(app)


def _commands() -> dict[str, Any]:
    return dict(_group().commands)
