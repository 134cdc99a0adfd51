"""Text of any origin on the page and on the terminal is shown and never executed."""

import io
import os
import pty
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from rich.console import Console

from pipeline.results import load_results
from pipeline.results.report.page import report_page
from pipeline.results.views.study import leaderboard
from pipeline.space import Choice, Uniform
from pipeline.study import Objective
from pipeline.text import sanitize, sanitize_output
from tests.cases import cases
from tests.hostile.command import tunepipe
from tests.unit.results.studies import Recording, tune_job

TEXTS = {
    "a script": "<script>alert(1)</script>",
    "the end of the script": "</script><img src=x onerror=alert(1)>",
    "a quote": '" onmouseover="alert(1)" x=\'',
    "an entity": "&lt;script&gt;&#60;b&#62;",
    "an svg": "</text></svg><svg onload=alert(1)>",
    "CDATA": "]]><script>alert(1)</script><![CDATA[",
    "a comment": "--><b>",
    "a template": "{{ 7 * 7 }}{% raw %}${7*7}",
    "mathematics": r"$\frac{1}{0}$ $x^",
    "markup of rich": "[red]x[/][link=http://x]y[/link][/nope]",
    "terminal": "\x1b[2J\x1b]0;title\x07\x9b31m\r\b",
    "right to left": "\u202egnp.exe\u2066x\u200f",
    "lines": "a\u2028b\x0bc\x0cd",
    "a NUL": "a\0b",
    "long": "x" * 2000,
}

TOGETHER = {
    "markup": " ".join(list(TEXTS.values())[:7]),
    "templates": " ".join(list(TEXTS.values())[7:10]),
    "characters": " ".join(list(TEXTS.values())[10:14]),
    "long": TEXTS["long"],
}
"""The same, for the page, which takes its time to draw."""


def _study(root: Path, text: str) -> Recording:
    """A study with `text` in every place that can have text."""
    space = {"rate": Uniform(0.0, 1.0), "kind": Choice([text, "plain"]), "fixed": text}
    job = tune_job(
        "texts", space=space, description=text, data=text, objectives=(Objective(text, "max"),), scheduler="asha"
    )
    study = Recording(root, job, metrics=("value",))
    column = _column(text)
    study.metrics = (column,)
    now = 0.0
    for number in range(4):
        trial, config = f"{number:04d}", {"rate": 0.2 * number, "kind": text if number % 2 else "plain", "fixed": text}
        study.decide(trial, 0, "start", now, text, config_after=config)
        for epoch in (1, 2):
            now += 0.5
            study.train(trial, epoch, config, 0.1 * number + epoch / 10, now, node=text)
        if number == 3:
            study.decide(trial, 2, "fail", now, f"{text}\n\nTraceback: {text}")
        else:
            study.decide(trial, 2, "stop" if number == 1 else "finish", now, text, rung=1, cutoff=0.2, value=0.1)
    study.end(now)
    return study


def _column(metric: str) -> str:
    from pipeline.storage.schema import metric_column

    return metric_column(metric)


class _Elements(HTMLParser):
    """The elements of a page, each with the names of its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag, tuple(sorted(name for name, _ in attrs))] += 1

    def handle_data(self, data: str) -> None:
        self.text += data


def _elements(page: str) -> _Elements:
    parser = _Elements()
    parser.feed(page)
    return parser


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> _Elements:
    """The page of a study whose texts are plain words."""
    return _elements(report_page(load_results(_study(tmp_path_factory.mktemp("plain"), "words").store.uri)))


@pytest.mark.parametrize("name", cases(TOGETHER, ("markup", "characters")))
def test_the_page_shows_any_text_as_text(name: str, tmp_path: Path, plain: _Elements) -> None:
    """No text creates an element or an attribute in the report, and invisible characters are escaped."""
    page = report_page(load_results(_study(tmp_path, TOGETHER[name]).store.uri))
    found = _elements(page)
    assert set(found.found) <= set(plain.found)
    assert {tag: count for (tag, _), count in found.found.items() if tag in ("script", "svg", "section")} == {
        tag: count for (tag, _), count in plain.found.items() if tag in ("script", "svg", "section")
    }
    assert sanitize(TOGETHER[name]).split("\n")[0][:100] in found.text
    assert page == sanitize(page)


@pytest.mark.parametrize("name", TEXTS)
def test_the_terminal_shows_any_text_as_text(name: str, tmp_path: Path) -> None:
    """The leaderboard and the command's output contain no control sequence of a study's texts."""
    study = _study(tmp_path, TEXTS[name])
    stream = io.StringIO()
    Console(file=stream, width=200, color_system=None).print(leaderboard({"hostile": load_results(study.store.uri)}))
    output = tunepipe("results", "texts", "--storage", str(tmp_path))
    assert output.code == 0, output
    for text in (stream.getvalue(), output.output):
        assert text == sanitize(text)


@given(text=st.text(alphabet=st.characters(categories=None)))
def test_sanitized_text(text: str) -> None:
    """Any sanitized text can be encoded, has no control character, and is unchanged if it had none."""
    shown = sanitize(text)
    assert not {unicodedata.category(character) for character in shown if character not in "\t\n"} & {
        "Cc",
        "Cs",
        "Zl",
        "Zp",
    }
    assert not {unicodedata.bidirectional(character) for character in shown} & {
        "LRE",
        "RLE",
        "LRO",
        "RLO",
        "PDF",
        "LRI",
        "RLI",
    }
    shown.encode()
    assert sanitize(shown) == shown
    if text.isprintable():
        assert shown == text


def test_a_log_keeps_its_colours() -> None:
    """A terminal gets the colours and progress bars of a trial's output, and other control sequences are escaped."""
    printed = "\x1b[1;31mred\x1b[0m 50%\r100%\b\n\x1b]52;c;eA==\x07\x1b[2J\x1b[6n\x9b2J"
    assert sanitize_output(printed) == ("\x1b[1;31mred\x1b[0m 50%\r100%\b\n\\x1b]52;c;eA==\\x07\\x1b[2J\\x1b[6n\\x9b2J")


def _on_terminal(call: Callable[[], object]) -> bytes:
    """The output of a call to a terminal."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        before, sys.stdout = sys.stdout, terminal
        try:
            call()
            terminal.flush()
        finally:
            sys.stdout = before
        written = os.read(master, 10_000)
    os.close(master)
    return written


def test_logs_go_to_a_terminal_without_what_it_would_obey(storage: Path) -> None:
    """`logs` escapes control sequences except colours, even in a pipe, unless --raw is given."""
    from pipeline.cli.commands import app

    (storage / "small" / "logs" / "0000.log").write_bytes(b"\x1b[31mred\x1b[0m \x1b]0;title\x07 \xff")
    output = tunepipe("logs", "small", "--trial", "0", "--storage", str(storage))
    assert r"\x1b]0;title\x07" in output.output
    output = tunepipe("logs", "small", "--trial", "0", "--raw", "--storage", str(storage))
    assert output.output.encode(errors="surrogateescape") == b"\x1b[31mred\x1b[0m \x1b]0;title\x07 \xff"
    written = _on_terminal(
        lambda: app(["logs", "small", "--trial", "0", "--storage", str(storage)], standalone_mode=False)
    )
    assert b"\x1b[31mred\x1b[0m" in written
    assert b"\\x1b]0;title\\x07" in written


def test_an_error_is_shown_as_text(tmp_path: Path) -> None:
    """A message repeats the value found with its control sequences escaped."""
    output = tunepipe("results", "none", "--storage", str(tmp_path / "\x1b[2J\u202e"))
    assert output.code == 2
    assert r"\x1b[2J\u202e" in output.errors
    assert output.errors == sanitize(output.errors)
