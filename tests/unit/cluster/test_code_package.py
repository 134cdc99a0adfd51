"""Which code is uploaded to a cluster, and which is not."""

import io
import zipfile

import pytest

from pipeline.cluster.code_package import package
from pipeline.errors import ClusterError


def files(project, content: dict[str, str]) -> None:
    """Write files below a folder."""
    for name, text in content.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(content: bytes) -> set[str]:
    found = zipfile.ZipFile(io.BytesIO(content)).namelist()
    return {name for name in found if not name.startswith(("pipeline/", "tune_jobs/"))}


def test_ignored_files_are_not_packed(tmp_path):
    files(
        tmp_path,
        {
            ".gitignore": "*.log\nstudies/\n/secret.txt\n", "job.py": "", "data/a.log": "", "data/b.csv": "",
            "studies/x/study.json": "", "secret.txt": "", "data/secret.txt": "", ".git/config": "", ".venv/bin/x": "",
            "kept/.gitignore": "!keep.log\n", "kept/keep.log": "", "kept/other.log": "",
        },
    )  # fmt: skip
    (tmp_path / "link").symlink_to("/etc")
    assert names(package(tmp_path, "beale").content) == {
        ".gitignore", "job.py", "data/b.csv", "data/secret.txt", "kept/.gitignore", "kept/keep.log",
    }  # fmt: skip


def test_tunepipe_itself_is_packed(tmp_path):
    found = zipfile.ZipFile(io.BytesIO(package(tmp_path, "beale").content)).namelist()
    assert {"pipeline/cli/app.py", "tune_jobs/beale.py", "pipeline/datasets/mnist/test.parquet"} <= set(found)
    assert not [name for name in found if name.endswith(".pyc")]


def test_a_job_file_from_outside_goes_along(tmp_path):
    theirs = "import nets.small"
    others = {"theirs.py": theirs, "shape.py": "", "nets/small.py": "", "nets/unused.py": "", "big.csv": ""}
    files(tmp_path, {"project/jobs/mine.py": "", **{f"other/{name}": text for name, text in others.items()}})
    outside = package(tmp_path / "project", str(tmp_path / "other/theirs.py"))
    assert outside.job == "submitted/theirs.py"
    assert names(outside.content) == {"jobs/mine.py", *(f"submitted/{name}" for name in others)}
    assert package(tmp_path / "project", str(tmp_path / "project/jobs/mine.py")).job == "jobs/mine.py"
    named = package(tmp_path / "project", str(tmp_path / "other/theirs.py:build"))
    assert named.job == "submitted/theirs.py:build"
    assert names(named.content) == names(outside.content)


def test_the_same_code_has_the_same_name(tmp_path):
    files(tmp_path, {"job.py": "1"})
    first = package(tmp_path, "beale")
    (tmp_path / "job.py").touch()
    assert package(tmp_path, "beale").name == first.name
    (tmp_path / "job.py").write_text("2")
    assert package(tmp_path, "beale").name != first.name


def test_too_much_code_names_what_is_large(tmp_path):
    files(tmp_path, {"job.py": "", "recordings/a": "x" * 50_000_000})
    with pytest.raises(ClusterError, match=r"a cluster accepts 40 MiB.*recordings \(48 MiB\).*\.gitignore"):
        package(tmp_path, "beale", most=40 * 2**20)
