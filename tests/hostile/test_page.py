"""Text of any origin on the page and on the terminal is shown and never executed."""

import json
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from pipeline.space import Choice, Uniform
from pipeline.storage.schema import metric_column
from pipeline.study import Objective
from pipeline.text import sanitize
from tests.cases import cases
from tests.command import tunepipe
from tests.recorded_studies import Recording, tune_job
from tests.serving import serving

TEXTS = {
    "a script": "<script>alert(1)</script>", "a quote": '" onmouseover="alert(1)" x=\'',
    "an svg": "</text></svg><svg onload=alert(1)>", "CDATA": "]]><script>alert(1)</script><![CDATA[",
    "a template": "{{ 7 * 7 }}{% raw %}${7*7}", "mathematics": r"$\frac{1}{0}$ $x^",
    "markup of rich": "[red]x[/][link=http://x]y[/link][/nope]", "terminal": "\x1b[2J\x1b]0;title\x07\x9b31m\r\b",
    "right to left": "\u202egnp.exe\u2066x\u200f", "lines": "a\u2028b\x0bc\x0cd", "a NUL": "a\0b", "long": "x" * 2000,
}  # fmt: skip

TOGETHER = {
    "markup": " ".join(list(TEXTS.values())[:4]),
    "templates": " ".join(list(TEXTS.values())[4:7]),
    "characters": " ".join(list(TEXTS.values())[7:11]),
    "long": TEXTS["long"],
}
"""The same, for pages, which take their time to draw."""


def _study(root: Path, text: str) -> Recording:
    """A study with `text` in every place that can have text."""
    space = {"rate": Uniform(0.0, 1.0), "kind": Choice([text, "plain"]), "fixed": text}
    job = tune_job(
        "texts", space=space, description=text, data=text, objectives=(Objective(text, "max"),), scheduler="asha"
    )
    study = Recording(root, job, metrics=("value",))
    study.metrics = (metric_column(text),)
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
            study.decide(trial, 2, "stop" if number == 1 else "complete", now, text, rung=1, cutoff=0.2, value=0.1)
    study.end(now)
    return study


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


PAGES = {
    "studies": "/",
    "study": "/studies/texts",
    "condition": "/studies/texts?where={where}&sort={where}",
    "trial": "/studies/texts/trials/0001",
    "failed trial": "/studies/texts/trials/0003",
    "no trial": "/studies/texts/trials/{where}",
    "no study": "/studies/{where}",
    "picture": "/studies/texts/pictures/against-1?where=epochs%3E0",
    "report": "/studies/texts/report",
}


def _pages(root: Path, text: str) -> dict[str, str]:
    """Every page of a study with `text` in every place that can have text."""
    study = _study(root, text)
    study.store.write("logs/0001.log", text)
    command = {"kind": text, "trial_id": text, "reason": text}
    study.store.write("commands/20261126T095501584630-1ec8178b.json", json.dumps(command))
    name = "".join(character for character in text if character not in "/\0")[:100]
    study.store.writable_path("files").joinpath("0001").mkdir(parents=True)  # type: ignore[union-attr]
    (root / "texts" / "files" / "0001" / name).write_text(text)
    with serving(root, control=True) as address, requests.Session() as session:
        session.headers["Accept"] = "text/html"
        return {
            page: session.get(address + path.format(where=quote(text, safe="")), timeout=60).text
            for page, path in PAGES.items()
        }


@pytest.mark.parametrize("name", cases(TOGETHER, ("markup",)))
def test_every_page_shows_any_text_as_text(name: str, tmp_path: Path) -> None:
    plain = {page: _elements(text) for page, text in _pages(tmp_path / "plain", "words").items()}
    for page, text in _pages(tmp_path / "hostile", TOGETHER[name]).items():
        found = _elements(text)
        assert set(found.found) <= set(plain[page].found) | set(plain["condition"].found), page
        if page == "report":
            counts = [
                {tag: count for (tag, _), count in each.found.items() if tag in ("script", "svg", "section")}
                for each in (found, plain[page])
            ]
            assert counts[0] == counts[1]
            assert sanitize(TOGETHER[name]).split("\n")[0][:100] in found.text
        assert text == sanitize(text), page
        assert "Internal Server Error" not in text
        assert "bug in tunepipe" not in text


@pytest.mark.parametrize("name", cases(TEXTS, ("a script", "terminal", "right to left")))
def test_the_terminal_shows_any_text_as_text(name: str, tmp_path: Path) -> None:
    _study(tmp_path, TEXTS[name])
    output = tunepipe("results", "texts", "--storage", str(tmp_path))
    assert output.code == 0, output
    assert output.output == sanitize(output.output)


def test_an_error_is_shown_as_text(tmp_path: Path) -> None:
    output = tunepipe("results", "none", "--storage", str(tmp_path / "\x1b[2J\u202e"))
    assert output.code == 2
    assert r"\x1b[2J\u202e" in output.errors
    assert output.errors == sanitize(output.errors)
