"""`tunepipe sql`: several studies, every format."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli.app import app
from pipeline.errors import UsageError
from tests.unit.results.studies import asha_study, pbt_study


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage of two studies."""
    root = tmp_path_factory.mktemp("studies")
    asha_study(root)
    pbt_study(root)
    return root


def invoke(storage: Path, *arguments: str) -> Result:
    """`tunepipe sql` on the storage."""
    return CliRunner().invoke(app, ["sql", *arguments, "--storage", str(storage)], catch_exceptions=False)


def test_studies_come_before_the_query(storage: Path) -> None:
    """Any number of them; the answer is a table."""
    told = invoke(storage, "mnist-asha", "mnist-pbt", "select study, count(*) as n from trials group by 1 order by 1")
    assert [line.split() for line in told.stdout.splitlines()] == [
        ["study", "n"], ["mnist-asha", "24"], ["mnist-pbt", "8"],
    ]  # fmt: skip


def test_a_files_name_says_what_is_written(storage: Path, tmp_path: Path) -> None:
    """--output answer.json holds JSON, and its place is printed."""
    file = tmp_path / "new" / "answer.json"
    told = invoke(storage, "mnist-pbt", "select max(epoch) as last from epochs", "--output", str(file))
    assert told.stdout == f"{file}\n"
    assert json.loads(file.read_text()) == [{"last": 20}]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--format", "xml"), "must be one of table, csv"),
        (("--format", "parquet"), "Name a file with --output"),
        (("--output", "x.xml"), "cannot be told from its name"),
        (("--format", "table", "--output", "x.csv"), "for the terminal"),
    ],
)
def test_a_format_that_cannot_be_is_refused(storage: Path, options: tuple[str, ...], told: str) -> None:
    """The message says which there are, before anything is read."""
    with pytest.raises(UsageError, match=told):
        invoke(storage, "no-such-study", "select 1", *options)
