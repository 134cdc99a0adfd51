"""The report in a real browser. Without Chromium on PATH these tests are skipped, and say so."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.results import load_results
from pipeline.results.pictures import sections
from pipeline.results.report import write_report
from tests.unit.results.studies import HOSTILE, Recording, asha_study

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not on PATH: install it to see the report drawn")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A study with failures whose report is written."""
    study = asha_study(tmp_path_factory.mktemp("studies"))
    write_report(study.store)
    return study


def browse(page: Path, folder: Path) -> tuple[str, str]:
    """The page's document after its scripts have run, and what the browser logged."""
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--v=0",
        f"--user-data-dir={folder}", "--window-size=1280,2000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def browsed(study: Recording, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The study's report as the browser has it."""
    return browse(study.root / study.job.name / "report.html", tmp_path_factory.mktemp("profile"))


def test_the_browser_has_nothing_to_complain_about(browsed: tuple[str, str]) -> None:
    """No script fails and nothing is blocked or missing."""
    assert [line for line in browsed[1].splitlines() if "CONSOLE" in line] == []


def test_a_failing_script_would_be_seen(tmp_path: Path) -> None:
    """The log that the test above looks into does hold a page's errors."""
    page = tmp_path / "page.html"
    page.write_text("<script>throw new Error('deliberate')</script>")

    assert "CONSOLE" in browse(page, tmp_path / "profile")[1]


def test_every_picture_is_there(study: Recording, browsed: tuple[str, str]) -> None:
    """Each picture of the study is an element with marks in it, and none is broken."""
    pictures = [picture for section in sections(load_results(study.store.uri)) for picture in section.pictures]
    drawn = re.findall(r"<svg.*?</svg>", browsed[0], re.DOTALL)

    assert len(pictures) >= 8
    assert len(drawn) >= len(pictures)
    assert all("<path" in svg for svg in drawn)
    assert all(picture.caption.replace("&", "&amp;") in browsed[0] for picture in pictures)


def test_an_error_with_markup_in_it_stays_text(browsed: tuple[str, str]) -> None:
    """A script in a trial's traceback is shown, not run."""
    assert "<script>alert" not in browsed[0]
    assert "&lt;script&gt;alert" in browsed[0]
    assert HOSTILE not in browsed[0]


def test_the_page_asks_for_nothing_else(study: Recording) -> None:
    """The page holds all it needs: no address is loaded from anywhere."""
    page = (study.root / study.job.name / "report.html").read_text(encoding="utf-8")
    loaded = re.findall(r"""(?:src|href)\s*=\s*["']([^"'#][^"']*)|url\(\s*["']?([^)#"']+)|@import""", page)

    assert [a or b for a, b in loaded if not (a or b).startswith("data:")] == []
