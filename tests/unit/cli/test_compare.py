"""`tunepipe compare`."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.hostile.command import tunepipe
from tests.unit.results.small_studies import one_epoch_study


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two studies of one objective."""
    root, values = tmp_path_factory.mktemp("studies"), np.random.default_rng(0).uniform(0.1, 0.2, 12)
    one_epoch_study(root, "a", values + 0.5)
    one_epoch_study(root, "b", values)
    return root


@pytest.mark.parametrize(("suffix", "head"), [("html", b"<!doctype"), ("PNG", b"\x89PNG"), ("svg", b"<?xml")])
def test_tables_are_printed_and_a_file_written(storage: Path, tmp_path: Path, suffix: str, head: bytes) -> None:
    """`compare` prints tables with the studies' names, and last the path of the file that it has written."""
    file = tmp_path / f"compared.{suffix}"
    printed = tunepipe("compare", "a", "b", "--storage", str(storage), "--output", str(file))
    assert "a over b" in printed.output
    assert printed.output.endswith(f"{file}\n")
    assert file.read_bytes().startswith(head)


def test_json_is_one_object(storage: Path, tmp_path: Path) -> None:
    """With --json, `compare` prints one object to stdout and the path of its file to stderr."""
    file = tmp_path / "compared.svg"
    printed = tunepipe("compare", str(storage / "a"), str(storage / "b"), "--json", "--output", str(file))
    assert [study["name"] for study in json.loads(printed.output)["studies"]] == ["a", "b"]
    assert printed.errors == f"{file}\n"


def test_a_file_of_another_kind_is_refused(storage: Path) -> None:
    """A file suffix that compare cannot write is refused before anything is read."""
    printed = tunepipe("compare", "no", "such", "--storage", str(storage), "--output", "x.gif")
    assert printed.code == 2
    assert ".html, .png, .svg or .pdf" in printed.errors
