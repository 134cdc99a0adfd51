"""Docstrings, comments, messages, names and documentation use the standard words of technical English."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROPOSALS = {
    "alike": "equal, or the same",
    "all but": "all except",
    "all the same": "still, or equal",
    "anew": "again",
    "anybody": "any user or process",
    "are to be": "will be",
    "beyond doubt": "significantly, or certainly",
    "but for": "except",
    "called so": "of that name",
    "everybody": "all users",
    "for ever": "forever",
    "for want of": "without, or because there is no",
    "foreign": "untracked, or another program's",
    "foretell": "predict",
    "foretells": "predicts",
    "grown": "larger, or the curve of best values",
    "guilty": "incompatible",
    "hear": "get, or be called with",
    "heard": "received",
    "hears": "gets, or is called with",
    "hindrances": "diagnostics",
    "hopeless": "fatal",
    "in hand": "active",
    "in peace": "undisturbed",
    "in spite of that": "still, or although",
    "innocent": "unchecked",
    "is to be": "will be",
    "keeper": "writer",
    "late bloomer": "trial that improves late",
    "late bloomers": "trials that improve late",
    "legible": "sanitized",
    "let go": "released",
    "lets go": "releases",
    "likewise": "the same, written out",
    "misfit": "mismatch",
    "nobody": "no user or process",
    "none the less": "still",
    "of its own accord": "by itself",
    "of one's own": "your own, or custom",
    "paces": "durations of epochs",
    "played": "simulated",
    "resident": "on the device, or in memory",
    "somebody": "another user or process",
    "spots": "points",
    "standing": "objective values",
    "standings": "objective values",
    "thereof": "of it",
    "told": "reported, printed or passed to",
    "travels": "is sent",
    "truth value": "boolean",
    "truth values": "booleans",
    "whoever": "the noun: the trial, the worker or the user that",
    "winners turn": "final evaluation",
    "workplace": "trainer factory",
    "worn": "over its memory limit",
}
"""Words that do not occur → what to write instead."""

_WORDS = re.compile(rf"\b(?:{'|'.join(PROPOSALS)})\b", re.IGNORECASE)
_QUESTION = re.compile(r"test_(?:how|what|when|where|which|who|whose|why)_")
_OF_CLASSES = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_QUOTED = re.compile(r"`[^`\n]*`")
_SQL_KEYWORDS = re.compile(r"(?:[a-z]+ ){8}")
"""A line of a list of words, which is not a sentence."""


def findings(source: str) -> Iterator[tuple[int, str]]:
    """Words with a proposal in a module's docstrings, comments, strings with a space, and names.

    Args:
        source: The module's text.

    Yields:
        A line and the word there.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for word in _WORDS.findall(_OF_CLASSES.sub(" ", node.name).replace("_", " ")):
                yield node.lineno, word.lower()
            if question := _QUESTION.match(node.name):
                yield node.lineno, question[0]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            for number, line in enumerate(node.value.splitlines(), node.lineno):
                for word in _WORDS.findall(line) if not _SQL_KEYWORDS.search(line.strip()) else ():
                    yield number, word.lower()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        for word in _WORDS.findall(token.string) if token.type == tokenize.COMMENT else ():
            yield token.start[0], word.lower()


def prose_findings(page: str) -> Iterator[tuple[int, str]]:
    """Words with a proposal in a page of the documentation, but not in its code.

    Args:
        page: The page, in Markdown.

    Yields:
        A line and the word there.
    """
    prose = _CODE.sub(lambda block: "\n" * block[0].count("\n"), page)
    for number, line in enumerate(prose.splitlines(), 1):
        for word in _WORDS.findall(_QUOTED.sub("", line)):
            yield number, word.lower()


def _reported(path: Path, found: Iterator[tuple[int, str]]) -> list[str]:
    name = path.relative_to(ROOT).as_posix()
    return [
        f"{name}:{line}: {word!r}; write: {PROPOSALS.get(word, 'a name that states the behaviour')}"
        for line, word in found
    ]


@pytest.mark.parametrize("folder", ["pipeline", "scripts", "tests", "tune_jobs"])
def test_code_uses_standard_words(folder: str) -> None:
    """No docstring, comment, message or name of a function or class contains a word for which there is a proposal."""
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        if path != Path(__file__):
            found += _reported(path, findings(path.read_text("utf-8")))
    assert not found, "\n".join(found)


def test_documentation_uses_standard_words() -> None:
    """No page of the documentation contains a word for which there is a proposal."""
    pages = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "tests").rglob("*.md"))]
    found = [line for page in pages for line in _reported(page, prose_findings(page.read_text("utf-8")))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def test_a_mistake_is_told():\n    pass\n", [(1, "told")]),
        ("def test_what_a_worker_does():\n    pass\n", [(1, "test_what_")]),
        ("class MainKeeper:\n    pass\n", [(1, "keeper")]),
        ('"""First.\n\nIn Peace.\n"""\n', [(3, "in peace")]),
        ('class A:\n    x: int\n    """Whoever asks."""\n', [(3, "whoever")]),
        ("x = 1  # Somebody reads it.\n", [(1, "somebody")]),
        ('raise ValueError(f"{x} was told")\n', [(1, "told")]),
        ("def test_a_toldo():\n    told = 'told'\n    return told\n", []),
    ],
    ids=["name", "question", "class", "module", "attribute", "comment", "message", "code"],
)
def test_words_are_found_where_a_reader_sees_them(source: str, expected: list[tuple[int, str]]) -> None:
    """Words are found with their lines in docstrings, names, comments and messages, but not in other code."""
    assert list(findings(source)) == expected


def test_words_are_found_in_prose() -> None:
    """Words of a page are found with their lines, but not those in code."""
    page = "A user is told.\n\n```json\ntold\n```\n\n`told`, and anew.\n"
    assert list(prose_findings(page)) == [(1, "told"), (7, "anew")]
