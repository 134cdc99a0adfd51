"""CONTRIBUTING.md is a map: the files, folders and functions that it names exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?:pipeline|tune_jobs|scripts|tests|k8s|docs)/[\w./-]*")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, a list for each row."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names_of(source: str) -> Iterator[str]:
    """The functions and classes of a module, and the methods of classes as `Class.method`."""
    for each in ast.parse(source).body:
        if isinstance(each, ast.ClassDef | ast.FunctionDef):
            yield each.name
        if isinstance(each, ast.ClassDef):
            yield from (f"{each.name}.{part.name}" for part in each.body if isinstance(part, ast.FunctionDef))


@pytest.mark.parametrize("row", rows("Where things happen"), ids=lambda row: row[0])
def test_each_thing_happens_where_the_table_says(row: list[str]) -> None:
    """Each place in the table is a file of the product, and its class, method or function exists there."""
    places = [code for code in _CODE.findall(row[1]) if "/" in code]
    assert any(":" in place for place in places)
    for place in places:
        file, _, name = place.partition(":")
        path = ROOT / "pipeline" / file
        assert path.is_file(), f"There is no {file}."
        assert not name or name in set(names_of(path.read_text(encoding="utf-8"))), f"There is no {name} in {file}."


def test_each_path_exists() -> None:
    """Each file and folder that the page names exists, except a reader's own, such as `my_job.py`."""
    paths = [code for code in _CODE.findall(PAGE) if _PATH.fullmatch(code) and "/my_" not in code]
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []
