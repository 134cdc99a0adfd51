"""The code that is uploaded to a cluster: a zip of the project and of tunepipe, the same bytes for the same files."""

import hashlib
import importlib.util
import io
import os
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pathspec import GitIgnoreSpec

from pipeline.errors import ClusterError
from pipeline.study.load_module import split_job_name
from pipeline.study.sources import sources_of_file

MAX_BYTES = 500 * 2**20
"""The limit of Ray's server, 512 MiB, less the directory of the zip."""

_NEVER = {".git", ".hg", ".venv", "venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", "node_modules"}
_CREDENTIALS = {
    ".aws", ".azure", ".cache", ".config", ".docker", ".git-credentials", ".gnupg", ".kaggle", ".kube", ".netrc",
    ".pypirc", ".ray", ".ssh",
}  # fmt: skip
"""Where programs keep a user's passwords and keys, mostly in the home folder: all who reach a cluster read its code."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_OUTSIDE = "submitted"
"""The folder of a job file from outside the project, and of what it imports."""

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Package:
    """What is uploaded."""

    content: bytes
    name: str
    job: str


def package(project: Path, job: str, *, most: int = MAX_BYTES) -> Package:
    """Pack the project, the installed tunepipe, and the job file if it is outside the project.

    What git ignores is left out, and so are .git, .venv, links, and where programs keep passwords and keys.
    """
    project = project.absolute()
    with _readable():
        files = {path.relative_to(project).as_posix(): path for path in _files(project, _rules_above(project))}
    packed_job = job
    job_file, name = split_job_name(job)
    if job_file.endswith(".py"):
        file = Path(job_file).expanduser().resolve()
        if file.is_relative_to(project.resolve()):
            packed_job = file.relative_to(project.resolve()).as_posix()
            files[packed_job] = file
        else:
            sources = sources_of_file(file)
            packed_job = f"{_OUTSIDE}/{sources.files[0].path}"
            files |= {f"{_OUTSIDE}/{each.name}": each for each in sorted(file.parent.glob("*.py"))}
            files |= {f"{_OUTSIDE}/{each.path}": each.file for each in (*sources.files, *sources.data)}
    # The cluster runs this version, whatever version its image has.
    for folder in _own_packages():
        files |= {f"{folder.name}/{path.relative_to(folder).as_posix()}": path for path in _files(folder, [])}
    with _readable():
        _refuse_large(files, project, most)
        content = _zip(files)
    return Package(content, f"_ray_pkg_{hashlib.sha256(content).hexdigest()[:32]}.zip", f"{packed_job}{name}")


def _own_packages() -> list[Path]:
    specs = [importlib.util.find_spec(name) for name in ("pipeline", "tune_jobs")]
    return [Path(spec.origin).parent for spec in specs if spec is not None and spec.origin is not None]


@contextmanager
def _readable() -> Iterator[None]:
    """A file or folder that cannot be packed, as an error that names it."""
    advice = "List it in .gitignore, or call the command in another folder."
    try:
        yield
    except OSError as error:
        raise ClusterError(f"{error.filename} cannot be uploaded: {error.strerror}. {advice}") from None
    except UnicodeEncodeError as error:
        raise ClusterError(f"{error.object!r} cannot be uploaded: its name is not UTF-8. {advice}") from None


def _rules_above(project: Path) -> list[tuple[Path, GitIgnoreSpec]]:
    """The rules of the folders above one within a git repository; none if they ignore that folder itself."""
    root = next((folder for folder in project.parents if (folder / ".git").exists()), None)
    if root is None or (project / ".git").exists():
        return []
    rules: list[tuple[Path, GitIgnoreSpec]] = []
    for folder in reversed([folder for folder in project.parents if folder.is_relative_to(root)]):
        rules = _with_rules(rules, folder)
    steps = [folder for folder in (project, *project.parents) if folder.is_relative_to(root) and folder != root]
    return [] if any(_ignored(step, True, rules) for step in steps) else rules


def _with_rules(rules: list[tuple[Path, GitIgnoreSpec]], folder: Path) -> list[tuple[Path, GitIgnoreSpec]]:
    """Rules, with those of a folder."""
    ignoring = folder / ".gitignore"
    if not ignoring.is_file():
        return rules
    lines = ignoring.read_text(errors="replace").splitlines()
    return [*rules, (folder, GitIgnoreSpec.from_lines(lines))]


def _files(folder: Path, rules: list[tuple[Path, GitIgnoreSpec]]) -> Iterator[Path]:
    """All regular files that git would not ignore; links are not followed, since they may lead anywhere."""
    rules = _with_rules(rules, folder)
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        path = Path(entry.path)
        if entry.name in _NEVER | _CREDENTIALS or _ignored(path, entry.is_dir(follow_symlinks=False), rules):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(path, rules)
        elif entry.is_file(follow_symlinks=False):
            yield path


def _ignored(path: Path, is_folder: bool, rules: list[tuple[Path, GitIgnoreSpec]]) -> bool:
    """Whether git ignores a path: the nearest .gitignore with a matching rule decides."""
    for folder, spec in reversed(rules):
        if not path.is_relative_to(folder):
            continue
        ignored = spec.check_file(f"{path.relative_to(folder).as_posix()}{'/' if is_folder else ''}").include
        if ignored is not None:
            return ignored
    return False


def _refuse_large(files: dict[str, Path], project: Path, most: int) -> None:
    sizes: Counter[str] = Counter()
    for name, path in files.items():
        sizes[PurePosixPath(name).parts[0]] += path.stat().st_size
    if (total := sizes.total()) > most:
        largest = ", ".join(f"{name} ({size / 2**20:,.0f} MiB)" for name, size in sizes.most_common(_SHOWN))
        raise ClusterError(
            f"The code in {project} has {total / 2**20:,.0f} MiB, and a cluster accepts {most / 2**20:,.0f} MiB. "
            f"Most of it is in {largest}. List in .gitignore what a study does not need, or call the command "
            "in a smaller folder."
        )


def _zip(files: dict[str, Path]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()
