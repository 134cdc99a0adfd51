"""Which code is uploaded to a cluster, and which is not."""

import errno
import io
import os
import zipfile

import pytest

from pipeline.cluster.code_package import MAX_BYTES, package
from pipeline.errors import ClusterError
from tests.ray_sources import check_text


def files(project, content: dict[str, str]) -> None:
    """Write files below a folder."""
    for name, text in content.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(content: bytes) -> set[str]:
    """The names in a package without those of tunepipe."""
    found = zipfile.ZipFile(io.BytesIO(content)).namelist()
    return {name for name in found if not name.startswith(("pipeline/", "tune_jobs/"))}


def test_ignored_files_are_not_packed(tmp_path):
    """A package leaves out files that git ignores by the rules of any folder, .git, .venv and links."""
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


def test_passwords_and_keys_are_not_packed(tmp_path):
    """Files in which programs keep passwords and keys stay, as those of a home folder in which there is a job."""
    kept = {".aws/credentials": "", ".kube/config": "", ".ssh/id": "", ".ray/auth_token": "", "lab/.netrc": ""}
    files(tmp_path, {"job.py": "", "lab/a.py": "", ".config/gcloud/credentials.db": "", **kept})
    assert names(package(tmp_path, "beale").content) == {"job.py", "lab/a.py"}


def test_tunepipe_itself_is_packed(tmp_path):
    """The uploaded package contains tunepipe itself with its data and without compiled files."""
    found = zipfile.ZipFile(io.BytesIO(package(tmp_path, "beale").content)).namelist()
    assert {"pipeline/cli/app.py", "tune_jobs/beale.py", "pipeline/datasets/mnist/test.parquet"} <= set(found)
    assert not [name for name in found if name.endswith(".pyc")]


def test_a_job_file_from_outside_goes_along(tmp_path):
    """A job file from outside the project is packed into `submitted/` with files next to it and packages it imports."""
    theirs = "import nets.small"
    others = {"theirs.py": theirs, "shape.py": "", "nets/small.py": "", "nets/unused.py": "", "big.csv": ""}
    files(tmp_path, {"project/jobs/mine.py": "", **{f"other/{name}": text for name, text in others.items()}})
    outside = package(tmp_path / "project", str(tmp_path / "other/theirs.py"))
    assert outside.job == "submitted/theirs.py"
    assert names(outside.content) == {
        "jobs/mine.py", "submitted/theirs.py", "submitted/shape.py", "submitted/nets/small.py",
    }  # fmt: skip
    assert package(tmp_path / "project", str(tmp_path / "project/jobs/mine.py")).job == "jobs/mine.py"
    named = package(tmp_path / "project", str(tmp_path / "other/theirs.py:build"))
    assert named.job == "submitted/theirs.py:build"
    assert names(named.content) == names(outside.content)


def test_the_same_code_has_the_same_name(tmp_path):
    """A package of the same code has the same name, and a change of the code gives another name."""
    files(tmp_path, {"job.py": "1"})
    first = package(tmp_path, "beale")
    (tmp_path / "job.py").touch()
    assert package(tmp_path, "beale").name == first.name
    (tmp_path / "job.py").write_text("2")
    assert package(tmp_path, "beale").name != first.name


def test_too_much_code_names_what_is_large(tmp_path):
    """Code that is larger than a cluster accepts is refused with its largest folders and their sizes."""
    files(tmp_path, {"job.py": "", "recordings/a": "x" * 50_000_000})
    with pytest.raises(ClusterError, match=r"a cluster accepts 40 MiB.*recordings \(48 MiB\).*\.gitignore"):
        package(tmp_path, "beale", most=40 * 2**20)


def test_a_package_is_named_as_ray_names_its_own(tmp_path):
    """A package's name begins with Ray's prefix for packages, by which a cluster recognises uploaded code."""
    prefix = package(tmp_path, "beale").name[:9]
    check_text(
        f'RAY_PKG_PREFIX = "{prefix}"',
        "_private/runtime_env/packaging.py",
        "pipeline/cluster/code_package.py names the uploaded code like that",
        "a cluster may not recognise the code as a package",
    )


def test_a_package_is_smaller_than_what_ray_accepts():
    """The largest package leaves room for the zip's directory below the limit of Ray's server."""
    assert MAX_BYTES < 512 * 2**20
    check_text(
        "GRPC_CPP_MAX_MESSAGE_SIZE = 512 * 1024 * 1024",
        "_private/ray_constants.py",
        "pipeline/cluster/code_package.py refuses code that a cluster would refuse",
        "its limit is another one",
    )


def test_rules_of_the_folders_above_count(tmp_path):
    """In a folder of a repository, the rules of the folders above it count, up to the repository and not beyond."""
    files(
        tmp_path,
        {
            ".gitignore": "job.py\n", "repo/.git/config": "", "repo/.gitignore": "*.key\ndata/\n",
            "repo/lab/job.py": "",
            "repo/lab/a.key": "", "repo/lab/data/x": "", "repo/lab/.gitignore": "!kept.key\n", "repo/lab/kept.key": "",
        },
    )  # fmt: skip
    assert names(package(tmp_path / "repo/lab", "beale").content) == {"job.py", "kept.key", ".gitignore"}


def test_a_folder_that_its_repository_ignores_is_packed(tmp_path):
    """A study that is submitted from an ignored folder has its code, by the rules of that folder alone."""
    files(
        tmp_path,
        {".git/config": "", ".gitignore": "scratch/\n*.log\n", "scratch/mine/job.py": "", "scratch/mine/a.log": ""},
    )
    assert names(package(tmp_path / "scratch/mine", "beale").content) == {"job.py", "a.log"}


@pytest.mark.parametrize("broken", ["name", "vanished", "unreadable"])
def test_a_file_that_cannot_be_packed_is_named(tmp_path, monkeypatch, broken):
    """A file whose name is not UTF-8, and one that vanishes or cannot be read, is an error with its name."""
    files(tmp_path, {"job.py": ""})
    if broken == "name":
        (tmp_path / os.fsdecode(b"b\xff.txt")).write_text("")
    elif broken == "vanished":
        monkeypatch.setattr("pathlib.Path.read_bytes", refused)
    else:
        monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(ClusterError, match=r"(b.udcff\.txt|data).* cannot be uploaded: .*\.gitignore"):
        package(tmp_path, "beale")


def refused(folder):
    """What cannot be read."""
    raise PermissionError(errno.EACCES, "Permission denied", f"{folder}/data")
