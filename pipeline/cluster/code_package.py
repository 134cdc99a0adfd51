"""The code that is uploaded to a cluster: a zip of the project and of tunepipe, the same bytes for the same files."""

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
from pipeline.study.load_module import split_job_name
from pipeline.study.sources import sources_of_file

MAX_BYTES = 500 * 2**20
"""The limit of Ray's server, 512 MiB, less the directory of the zip."""

_LEFT_OUT = {
    ".git", ".hg", ".venv", "venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", "node_modules",
    # Where programs keep a user's passwords and keys: all who reach a cluster read its code.
    ".aws", ".azure", ".cache", ".config", ".docker", ".git-credentials", ".gnupg", ".kaggle", ".kube", ".netrc",
    ".pypirc", ".ray", ".ssh",
}  # fmt: skip
_EPOCH = (1980, 1, 1, 0, 0, 0)
_OUTSIDE = "submitted"
"""The folder of a job file from outside the project, and of what it imports."""

_Rules = list[tuple[Path, GitIgnoreSpec]]


@dataclass(frozen=True, slots=True)
class Package:
    """What is uploaded, and the job's name in it."""

    content: bytes
    name: str
    job: str


def package(project: Path, job: str, *, most: int = MAX_BYTES) -> Package:
    """Pack the project, the installed tunepipe, and the job file if it is outside the project."""
    project = project.resolve()
    job_file, name = split_job_name(job)
    packed_job = job_file
    try:
        files = {path.relative_to(project).as_posix(): path for path in files_to_copy(project)}
        if job_file.endswith(".py"):
            file = Path(job_file).expanduser().resolve()
            if file.is_relative_to(project):
                packed_job = file.relative_to(project).as_posix()
                files[packed_job] = file
            else:
                sources = sources_of_file(file)
                packed_job = f"{_OUTSIDE}/{sources.files[0].path}"
                beside = files_to_copy(file.parent, below=False)
                files |= {f"{_OUTSIDE}/{each.name}": each for each in beside if each.suffix == ".py"}
                files |= {f"{_OUTSIDE}/{each.path}": each.file for each in (*sources.files, *sources.data)}
        # The cluster runs this version, whatever version its image has.
        for own in ("pipeline", "tune_jobs"):
            if (spec := importlib.util.find_spec(own)) is not None and spec.origin is not None:
                folder = Path(spec.origin).parent
                paths = files_to_copy(folder, above=False)
                files |= {f"{own}/{path.relative_to(folder).as_posix()}": path for path in paths}
        _refuse_large(files, project, most)
        content = _zip(files)
    except (OSError, UnicodeEncodeError) as error:
        what, why = (
            (error.filename, error.strerror)
            if isinstance(error, OSError)
            else (repr(error.object), "its name is not UTF-8")
        )
        raise ClusterError(
            f"{what} cannot be uploaded: {why}. List it in .gitignore, or call the command in another folder."
        ) from None
    return Package(content, f"_ray_pkg_{hashlib.sha256(content).hexdigest()[:32]}.zip", f"{packed_job}{name}")


def files_to_copy(folder: Path, *, above: bool = True, below: bool = True) -> Iterator[Path]:
    """The files of a folder that may be copied to others, sorted.

    What git ignores is left out, and so are links, which may lead anywhere, the folders of tools, and those in which
    programs keep passwords and keys.

    Args:
        folder: An absolute path.
        above: Whether the rules of the git repository that contains the folder count, unless they ignore the folder.
        below: Whether to include the folders in it.
    """
    yield from _files(folder, _rules_above(folder) if above else [], below=below)


def _files(folder: Path, rules: _Rules, *, below: bool) -> Iterator[Path]:
    rules = _with_rules(rules, folder)
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        path, is_folder = Path(entry.path), entry.is_dir(follow_symlinks=False)
        if entry.name in _LEFT_OUT or _ignored(path, is_folder, rules):
            continue
        if is_folder and below:
            yield from _files(path, rules, below=True)
        elif entry.is_file(follow_symlinks=False):
            yield path


def _rules_above(folder: Path) -> _Rules:
    root = next((each for each in folder.parents if (each / ".git").exists()), None)
    if root is None or (folder / ".git").exists():
        return []
    way = [each for each in reversed(folder.parents) if each.is_relative_to(root)]
    rules: _Rules = []
    for each in way:
        rules = _with_rules(rules, each)
    return [] if any(_ignored(each, True, rules) for each in (*way[1:], folder)) else rules


def _with_rules(rules: _Rules, folder: Path) -> _Rules:
    ignoring = folder / ".gitignore"
    if not ignoring.is_file():
        return rules
    return [*rules, (folder, GitIgnoreSpec.from_lines(ignoring.read_text(errors="replace").splitlines()))]


def _ignored(path: Path, is_folder: bool, rules: _Rules) -> bool:
    """Whether git ignores a path: the nearest .gitignore with a matching rule decides."""
    for folder, spec in reversed(rules):
        if path.is_relative_to(folder):
            name = f"{path.relative_to(folder).as_posix()}{'/' if is_folder else ''}"
            if (ignored := spec.check_file(name).include) is not None:
                return ignored
    return False


def _refuse_large(files: dict[str, Path], project: Path, most: int) -> None:
    sizes: Counter[str] = Counter()
    for name, path in files.items():
        sizes[PurePosixPath(name).parts[0]] += path.stat().st_size
    if (total := sizes.total()) > most:
        largest = ", ".join(f"{name} ({size / 2**20:,.0f} MiB)" for name, size in sizes.most_common(3))
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
