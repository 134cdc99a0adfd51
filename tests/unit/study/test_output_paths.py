"""Locations for a user's output."""

from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.study.contents import check_output_file, check_output_folder


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "studies" / "s"
    for name in ("export", "epochs", "files/0000"):
        (folder / name).mkdir(parents=True)
    (folder / "study.json").write_text("{}")
    return folder


@pytest.mark.parametrize(
    "path",
    [
        "study.json",
        "trials.parquet",
        "notes.txt",
        "epochs/all-0001.parquet",
        "checkpoints/0000/000002.ckpt",
        "export/model.keras",
        "export/winner.json",
        "files/0000/x.csv",
        "epochs/../export/../x.csv",
    ],
)
def test_a_file_in_a_study_is_refused(study: Path, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study.parent)
    (tmp_path / "linked").symlink_to(study)
    for named in (study / path, Path("s") / path, tmp_path / "linked" / path):
        with pytest.raises(StorageError, match=r"is within the study .*only report\.html and new files in export/"):
            check_output_file(named)


@pytest.mark.parametrize("path", ["s/report.html", "s/export/table.csv", "s/export/mine/x.csv", "x.csv", "../x.csv"])
def test_a_file_beside_a_study_is_accepted(study: Path, path: str) -> None:
    check_output_file(study.parent / path)


def test_a_trial_s_code_may_write_into_its_folder(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study / "files/0000")
    check_output_file(Path("x.csv"))
    check_output_folder(Path("studies/inner"))
    with pytest.raises(StorageError):
        check_output_file(Path("../0001/x.csv"))


def test_no_link_is_written_through(study: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").write_text("mine")
    (tmp_path / "link").symlink_to("thesis")
    (tmp_path / "dangling").symlink_to("gone")
    (study / "report.html").symlink_to(tmp_path / "thesis")
    for path in (tmp_path / "link", tmp_path / "dangling", study / "report.html"):
        with pytest.raises(StorageError, match=r"is a link to .*Name the link's target"):
            check_output_file(path)
    check_output_file(Path("/dev/stdout"))


@pytest.mark.parametrize("path", ["", "export", "epochs", "files/0000", "checkpoints/0009", "new"])
def test_a_folder_in_a_study_is_refused(study: Path, path: str) -> None:
    with pytest.raises(StorageError, match="is within the study"):
        check_output_folder(study / path)
