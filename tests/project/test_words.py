"""Docstrings, and the names of tests, use the standard words of technical English."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROPOSALS = {
    "told": "reported, printed or passed to",
    "whoever": "the noun: the trial, the worker or the user that",
    "somebody": "another user or process",
    "anew": "again",
    "in peace": "undisturbed",
    "of its own accord": "by itself",
}
"""Words that do not occur → what to write instead."""

_WORDS = re.compile(rf"\b(?:{'|'.join(PROPOSALS)})\b", re.IGNORECASE)
_QUESTION = re.compile(r"test_(?:how|what|when|where|which|who|whose|why)_")
_NOT_READ = ("tests/benchmarks/", "tests/kubernetes/testbed/")


def findings(source: str) -> Iterator[tuple[int, str]]:
    """Words with a proposal in a module's docstrings and in the names of its tests.

    Args:
        source: The module's text.

    Yields:
        A line and the word there.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            for word in _WORDS.findall(node.name.replace("_", " ")):
                yield node.lineno, word.lower()
            if question := _QUESTION.match(node.name):
                yield node.lineno, question[0]
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for number, line in enumerate(node.value.value.splitlines(), node.lineno):
                for word in _WORDS.findall(line):
                    yield number, word.lower()


@pytest.mark.parametrize("folder", ["pipeline", "tests"])
def test_docstrings_and_names_of_tests_use_standard_words(folder: str) -> None:
    """No docstring and no name of a test contains a word for which there is a proposal."""
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(_NOT_READ):
            found += [
                f"{name}:{line}: {word!r}; write: {PROPOSALS.get(word, 'a name that states the behaviour')}"
                for line, word in findings(path.read_text("utf-8"))
            ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def test_a_mistake_is_told():\n    pass\n", [(1, "told")]),
        ("def test_what_a_worker_does():\n    pass\n", [(1, "test_what_")]),
        ('"""First.\n\nIn Peace.\n"""\n', [(3, "in peace")]),
        ('class A:\n    x: int\n    """Whoever asks."""\n', [(3, "whoever")]),
        ("def test_a_toldo():\n    told = 'told'\n    return told\n", []),
    ],
    ids=["name", "question", "module", "attribute", "code"],
)
def test_words_are_found_in_docstrings_and_names(source: str, expected: list[tuple[int, str]]) -> None:
    """Words are found with their lines in docstrings and names of tests, but not in other code."""
    assert list(findings(source)) == expected
