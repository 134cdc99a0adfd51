"""Text of any origin on the live page is shown and never executed."""

import json
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
    "table": "/studies/texts/table",
    "trial": "/studies/texts/trials/0001",
    "failed trial": "/studies/texts/trials/0003",
    "no trial": "/studies/texts/trials/{where}",
    "no study": "/studies/{where}",
    "explanation": "/studies/texts/explain",
    "report": "/studies/texts/report",
    "comparison": "/compare?study=texts&study=other",
}


def _pages(root: Path, text: str) -> dict[str, str]:
    """Every page of a study with `text` in every place that can have text."""
    study = _study(root, text)
    study.store.write("logs/0001.log", text)
    command = {"kind": "enqueue", "config": {text: text}, "reason": text}
    study.store.write("commands/20261126T095501584630-1ec8178b.json", json.dumps(command))
    (root / "other").symlink_to(root / "texts")
    name = "".join(character for character in text if character not in "/\0")[:100]
    study.store.writable_path("files").joinpath("0001").mkdir(parents=True)  # type: ignore[union-attr]
    (root / "texts" / "files" / "0001" / name).write_text(text)
    with serving(root, control=True) as address, requests.Session() as session:
        session.headers["Accept"] = "text/html"
        return {
            page: _whole(session, address + path.format(where=quote(text, safe=""))) for page, path in PAGES.items()
        }


def _whole(session: requests.Session, url: str) -> str:
    """A page, after the one that waits for an explanation: the server answers that after a second."""
    while 'http-equiv="refresh"' in (text := session.get(url, timeout=60).text):
        pass
    return text


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


def test_data_for_pictures_are_json_whatever_a_study_says(tmp_path: Path) -> None:
    """Columns for pictures are valid JSON and can be selected, for any names and values of a study."""
    _study(tmp_path, TOGETHER["markup"])
    with serving(tmp_path) as address:
        data = requests.get(f"{address}/studies/texts/columns", timeout=60).json()
        (kind,) = (column for column in data["columns"] if column["name"] == "config_kind")
        condition = f"config_kind in ({kind['sql'][kind['values'][1]]})"
        query = {"where": condition}
        places = requests.get(f"{address}/studies/texts/matching", params=query, timeout=60).json()["places"]
    assert places == [1, 3]
