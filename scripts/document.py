"""Fill the tables of fields and columns in docs/ from the code: python scripts/document.py."""

import dataclasses
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter
from pydantic_core import PydanticUndefined

from pipeline import Budget, Checkpoints, Fit, Objective, Resources, TuneJob
from pipeline.schedulers import SCHEDULERS
from pipeline.storage import schema

FILES = [Path(__file__).parents[1] / f"docs/{page}.md" for page in ("jobs", "training", "search", "tables")]

_WITHOUT_TYPES = (TuneJob, Fit, Objective)
"""Classes whose values have forms that the meaning of a field explains."""

CLASSES = {cls.__name__: cls for cls in (*_WITHOUT_TYPES, Budget, Resources, Checkpoints)}


def documented(text: str) -> str:
    """The text with each table between `<!-- fields of X -->`, or `columns`, and `<!-- end -->` made again."""

    def table(name: str) -> str:
        if name in schema.TABLES:
            rows = ((f"`{column.name}`", str(column.type), column.meaning) for column in schema.TABLES[name])
            return _markdown("column type meaning", rows)
        return _family(SCHEDULERS) if name == "schedulers" else _table(CLASSES[name])

    marked = re.compile(r"(<!-- (?:fields|columns) of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
    return marked.sub(lambda found: f"{found[1]}{table(found[2])}{found[3]}", text)


def _markdown(head: str, rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown, whose columns `head` names."""
    names = head.split()
    return "".join(f"| {' | '.join(row)} |\n" for row in (names, ["---"] * len(names), *rows))


def _table(cls: type) -> str:
    if cls not in _WITHOUT_TYPES:
        return _markdown("field default allowed meaning", _rows(cls))
    own = [] if cls is TuneJob else [field for field in dataclasses.fields(cls) if field.init]
    fields = cls.model_fields.values() if cls is TuneJob else own
    rows = [
        (f"`{name}`", _default(field.default, field.default_factory), meaning)
        for (name, meaning), field in zip(_meanings(cls).items(), fields, strict=True)
    ]
    return _markdown("field default meaning", rows)


def _rows(cls: type) -> Iterator[tuple[str, ...]]:
    """Name, default, allowed values and meaning of each field."""
    meanings = _meanings(cls)
    for name, field in TypeAdapter(cls).json_schema()["properties"].items():
        if name != "kind":
            allowed = " or ".join(map(_kind, field.get("anyOf", [field])))
            yield f"`{name}`", _default(field.get("default")), allowed, meanings[name]


def _family(kinds: Mapping[str, type]) -> str:
    """The fields of several classes, each once with the names of the classes that have it in the same form."""
    users: dict[tuple[str, ...], list[str]] = {}
    for kind, cls in kinds.items():
        for row in _rows(cls):
            users.setdefault(row, []).append(f"`{kind}`")
    rows = ((row[0], ", ".join(names), *row[1:]) for row, names in sorted(users.items()))
    return _markdown("field of default allowed meaning", rows)


def _meanings(cls: type) -> dict[str, str]:
    """What the docstrings of a class and of its bases say about each field."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        arguments = inspect.cleandoc(base.__doc__ or "").partition("Args:\n")[2].partition("\n\n")[0]
        found |= re.findall(r"^    (\w+): (.*(?:\n     .*)*)", arguments, re.MULTILINE)
    return {name: " ".join(meaning.split()) for name, meaning in found.items()}


def _default(value: object, factory: object = None) -> str:
    if factory is dict:
        return "`{}`"
    if callable(factory):
        return "recommended"
    if value in (PydanticUndefined, dataclasses.MISSING):
        return "required"
    if value is None or value in ("", ()):
        return "–"
    return f"`{value!r}`" if isinstance(value, bool | int | float | str | list) else f"`{type(value).__name__}()`"


def _kind(kind: dict[str, object]) -> str:
    if kind["type"] == "null":
        return "`None`"
    if "const" in kind:
        return f"`{kind['const']!r}`"
    noun = {"integer": "whole number", "number": "number", "array": "list", "object": "object"}[kind["type"]]
    words = {"ge": "at least", "gt": "above", "le": "at most"}
    limits = [f"{word} {kind[name]:g}" for name, word in words.items() if name in kind]
    return " ".join([noun, " and ".join(limits)]).strip()


if __name__ == "__main__":
    for file in FILES:
        file.write_text(documented(file.read_text(encoding="utf-8")), encoding="utf-8")
