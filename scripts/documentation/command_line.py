"""tunepipe's command line as its parser knows it: tables of options, and whether a command can be read."""

import shlex
from pathlib import Path
from typing import Any, get_args

import typer

from pipeline.cli.commands import app

_VALUES = {int: "N", float: "X", Path: "PATH"}
"""How the value of an option is called, by its type; else after the option."""


_BAR = r"\|"


def command_names() -> list[str]:
    """Every command of tunepipe."""
    return list(_commands())


def options_of(command: str) -> str:
    """The arguments and options of a command, as a Markdown table."""
    rows = [_row(parameter) for parameter in _commands()[command].params if not getattr(parameter, "hidden", False)]
    return "\n".join(["| option | meaning |", "| --- | --- |", *rows, ""])


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


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        names = [parameter.metavar or parameter.name.upper()]
    else:
        names = [f"{option}{_value(parameter)}" for option in (*parameter.opts, *parameter.secondary_opts)]
    meaning = parameter.help or ""
    if parameter.show_default and parameter.default not in (None, False, True, ()):
        meaning += f" Default: `{parameter.default}`."
    if getattr(parameter, "show_envvar", False) and parameter.envvar:
        meaning += f" Variable: `{parameter.envvar}`."
    cells = ", ".join(f"`{name}`" for name in names), meaning
    return f"| {' | '.join(cell.replace('|', _BAR) for cell in cells)} |"


def _value(parameter: Any) -> str:
    if parameter.is_flag:
        return ""
    kinds = {kind: word for kind, word in _VALUES.items() if kind in _kinds(parameter.type_descriptor.annotation)}
    return f" {parameter.metavar or next(iter(kinds.values()), parameter.opts[0].strip('-').upper())}"


def _kinds(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) or (annotation,)
