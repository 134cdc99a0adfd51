"""`tunepipe report` writes a study's page, into the study or to the path given."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.commands import app
from pipeline.errors import JobNotFound, StorageError
from tests.unit.results.studies import every_domain_study


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("storage")
    every_domain_study(root, trials=2)
    return root


def test_the_page_is_in_the_study_and_its_path_is_printed(storage: Path) -> None:
    done = CliRunner().invoke(app, ["report", "domains", "--storage", str(storage)], catch_exceptions=False)

    page = storage / "domains" / "report.html"
    assert done.stdout == f"{page}\n"
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_page_can_be_written_elsewhere(storage: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = CliRunner().invoke(
        app, ["report", "domains", "--storage", str(storage), "--output", str(page)], catch_exceptions=False
    )

    assert done.stdout == f"{page}\n"
    assert "domains" in page.read_text(encoding="utf-8")


def test_no_study_of_that_name(storage: Path) -> None:
    with pytest.raises(JobNotFound, match="Available: domains"):
        CliRunner().invoke(app, ["report", "nothing", "--storage", str(storage)], catch_exceptions=False)


def test_a_place_that_cannot_be_written(storage: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"there is no folder .*/file\. Create it"):
        CliRunner().invoke(
            app,
            ["report", "domains", "--storage", str(storage), "--output", str(tmp_path / "file" / "page.html")],
            catch_exceptions=False,
        )
    assert not (tmp_path / "file").exists()


def test_a_report_needs_neither_ray_nor_tensorflow(storage: Path) -> None:
    code = (
        "import sys; from pipeline.results.report.page import report_page; from pipeline.results import load_results; "
        f"report_page(load_results({str(storage / 'domains')!r})); "
        "sys.exit(' '.join({'ray', 'tensorflow', 'keras'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
