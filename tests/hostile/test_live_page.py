"""Text of any origin on the live page is shown and never executed."""

import json
import re
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from pipeline.text import sanitize
from tests.cases import cases
from tests.hostile.test_page import TOGETHER, _Elements, _elements, _study
from tests.serving import serving

PAGES = {
    "studies": "/",
    "study": "/studies/texts",
    "condition": "/studies/texts?where={where}&sort={where}",
    "trial": "/studies/texts/trials/0001",
    "failed trial": "/studies/texts/trials/0003",
    "no trial": "/studies/texts/trials/{where}",
    "no study": "/studies/{where}",
    "picture": "/studies/texts/pictures/against-1?where=epochs%3E0",
    "curve": "/studies/texts/trials/0001/pictures/curve-0",
    "report": "/studies/texts/report",
}


def _pages(root: Path, text: str) -> dict[str, str]:
    """Every page of a study with `text` in every place that can have text."""
    study = _study(root, text)
    study.store.write("logs/0001.log", text)
    command = {"kind": "enqueue", "config": {text: text}, "reason": text}
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


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, _Elements]:
    """The pages of a study whose texts are plain words."""
    return {page: _elements(text) for page, text in _pages(tmp_path_factory.mktemp("plain"), "words").items()}


@pytest.mark.parametrize("name", cases(TOGETHER, ("markup",)))
def test_every_page_shows_any_text_as_text(name: str, tmp_path: Path, plain: dict[str, _Elements]) -> None:
    """No text creates an element or an attribute in any page, and invisible characters are escaped."""
    for page, text in _pages(tmp_path, TOGETHER[name]).items():
        found = _elements(text)
        known = set(plain[page].found) | set(plain["condition"].found)
        assert set(found.found) <= known, page
        assert text == sanitize(text), page
        assert "Internal Server Error" not in text
        assert "bug in tunepipe" not in text


def test_a_value_of_a_picture_can_be_selected_whatever_it_is(tmp_path: Path) -> None:
    """What a picture says of the values of an axis is a condition in SQL that selects them, for any text."""
    _study(tmp_path, TOGETHER["markup"])
    with serving(tmp_path) as address:
        picture = requests.get(f"{address}/studies/texts/pictures/against-1", timeout=60).text
        marks = json.loads(unescape(re.findall(r'data-marks="([^"]*)"', picture)[0]))
        query = {"where": f"config_kind in ({marks['axes'][0]['values'][0]})"}
        page = requests.get(f"{address}/studies/texts", params=query, timeout=60).text
    assert sorted(re.findall(r' data-trial="([^"]+)"', page)) == ["0001", "0003"]
