"""The code that goes to a cluster: one zip of the project and of tunepipe itself, the same bytes for the same files."""

import hashlib
import importlib.util
import io
import os
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pathspec import GitIgnoreSpec

from pipeline.errors import ClusterError

__all__ = ["MOST_BYTES", "Package", "package"]

MOST_BYTES = 500 * 2**20
"""What Ray's server takes, a little less than its 512 MiB: the zip has a directory, too."""

_NEVER = {".git", ".hg", ".venv", "venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", "node_modules"}
_EPOCH = (1980, 1, 1, 0, 0, 0)
_OUTSIDE = "submitted"
"""The folder of a job file that does not lie in the project."""

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Package:
    """What is uploaded.

    Args:
        content: The zip.
        name: Its name on the server, which tells its content.
        job: How the job is named within it.
    """

    content: bytes
    name: str
    job: str


def package(project: Path, job: str, *, most: int = MOST_BYTES) -> Package:
    """Pack the project, the job file where it lies elsewhere, and tunepipe as it is here.

    What git ignores stays at home, as do .git and .venv.

    Args:
        project: The folder that is uploaded: the one in which the command is called.
        job: A job's name, or the path of a Python file; from outside the project it goes along with the Python files
            beside it.
        most: Bytes that all files may have together.

    Raises:
        ClusterError: There is more; names the folders that hold most of it.
    """
    found = {path.relative_to(project).as_posix(): path for path in _files(project, [])}
    named = job
    if job.endswith(".py"):
        file = Path(job).expanduser().resolve()
        if file.is_relative_to(project.resolve()):
            named = file.relative_to(project.resolve()).as_posix()
            found[named] = file
        else:
            named = f"{_OUTSIDE}/{file.name}"
            found |= {f"{_OUTSIDE}/{each.name}": each for each in sorted(file.parent.glob("*.py"))}
    # The cluster runs what was tried here, whatever version its image holds.
    for room in _own_packages():
        found |= {f"{room.name}/{path.relative_to(room).as_posix()}": path for path in _files(room, [])}
    _refuse_large(found, project, most)
    content = _zipped(found)
    return Package(content, f"_ray_pkg_{hashlib.sha256(content).hexdigest()[:32]}.zip", named)


def _own_packages() -> list[Path]:
    specs = [importlib.util.find_spec(name) for name in ("pipeline", "tune_jobs")]
    return [Path(spec.origin).parent for spec in specs if spec is not None and spec.origin is not None]


def _files(folder: Path, rules: list[tuple[Path, GitIgnoreSpec]]) -> Iterator[Path]:
    """Every plain file that git would not ignore; links are not followed: they may lead anywhere."""
    ignoring = folder / ".gitignore"
    if ignoring.is_file():
        lines = ignoring.read_text(errors="replace").splitlines()
        rules = [*rules, (folder, GitIgnoreSpec.from_lines(lines))]
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        path = Path(entry.path)
        if entry.name in _NEVER or _ignored(path, entry.is_dir(follow_symlinks=False), rules):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(path, rules)
        elif entry.is_file(follow_symlinks=False):
            yield path


def _ignored(path: Path, is_folder: bool, rules: list[tuple[Path, GitIgnoreSpec]]) -> bool:
    """The nearest .gitignore that says something about the path decides."""
    for folder, spec in reversed(rules):
        told = spec.check_file(f"{path.relative_to(folder).as_posix()}{'/' if is_folder else ''}").include
        if told is not None:
            return told
    return False


def _refuse_large(found: dict[str, Path], project: Path, most: int) -> None:
    sizes: Counter[str] = Counter()
    for name, path in found.items():
        sizes[PurePosixPath(name).parts[0]] += path.stat().st_size
    if (total := sizes.total()) > most:
        largest = ", ".join(f"{name} ({size / 2**20:,.0f} MiB)" for name, size in sizes.most_common(_SHOWN))
        raise ClusterError(
            f"The code in {project} has {total / 2**20:,.0f} MiB, and a cluster takes {most / 2**20:,.0f} MiB. "
            f"Most of it is in {largest}. Name in .gitignore what a study does not need, or call the command "
            "in a smaller folder."
        )


def _zipped(found: dict[str, Path]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(found.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()
