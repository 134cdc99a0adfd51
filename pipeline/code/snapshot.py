"""The files of a job's code: those in the folder from which its modules are imported, as a study copies them."""

import os
import sys
import sysconfig
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline.code.frames import INSTALLED, OWN_PACKAGES
from pipeline.code.functions import digest_of, from_study, homes_of, is_loadable, module_named, same_text
from pipeline.code.modules import content_of, is_of_study, replaced
from pipeline.errors import StorageError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_NEVER = {".git", ".hg", ".venv", "venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", "node_modules"}
_CREDENTIALS = {
    ".aws", ".azure", ".cache", ".config", ".docker", ".git-credentials", ".gnupg", ".kaggle", ".kube", ".netrc",
    ".pypirc", ".ray", ".ssh",
}  # fmt: skip
"""Where programs keep a user's passwords and keys, mostly in the home folder: all who reach a cluster read its code."""

MAX_BYTES = 10 * 10**6
_MAX_FILES, _MAX_FILE_BYTES, _MAX_ENTRIES = 500, 10**6, 100
"""A snapshot has at most so many files; files of data are smaller, and in folders of fewer entries than these."""
_MAX_SEEN = 20_000
_SHOWN = 8
_HOMES = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}

_Rules: TypeAlias = "list[tuple[Path, GitIgnoreSpec]]"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of a job's code by their paths within the folders from which they are imported."""

    roots: tuple[Path, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        return _listed(self.files)

    @property
    def not_copied(self) -> str:
        """What is left out, because it is too large or too much; empty if there is nothing."""
        return _listed(self.left_out)


def _listed(paths: Collection[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join([*paths][:_SHOWN]) + more


class Recorded:
    """What study.json says about the copies: their digests, where the files are from, and the script's arguments."""

    def __init__(self, value: Any = None) -> None:
        self.roots: tuple[str, ...] = ()
        self.files: dict[str, str] = {}
        self.arguments: tuple[str, ...] | None = None
        """None if no script has recorded them."""
        if value is None:
            return
        try:
            self.roots, self.files = tuple(value["roots"]), dict(value["files"])
            self.arguments = tuple(value["arguments"]) if "arguments" in value else None
            texts = [*self.roots, *self.files, *self.files.values(), *(self.arguments or ())]
            sound = all(isinstance(text, str) and "\0" not in text for text in texts) and all(map(_within, self.files))
        except (AttributeError, LookupError, TypeError, ValueError):
            sound = False
        if not sound:
            raise StorageError(
                "The entry `sources` of study.json, about the copies in source/, is not what tunepipe wrote. Restore "
                "the file."
            )

    def to_json(self) -> dict[str, Any]:
        """The value of `sources` in study.json."""
        arguments = {} if self.arguments is None else {"arguments": list(self.arguments)}
        return {"roots": list(self.roots), "files": dict(sorted(self.files.items())), **arguments}

    def path_of(self, module: str) -> str | None:
        """The path of a module's copy; None if there is none."""
        below = module.replace(".", "/")
        return next(
            (path for path in (f"{module}.py", f"{below}.py", f"{below}/__init__.py") if path in self.files), None
        )


def _within(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts


def snapshot_of(functions: Iterable[Callable[..., Any]]) -> Snapshot:
    """The files of the code of functions; those that come from a study's copies are copied already.

    The modules that are loaded from the functions' folders come first. Then other Python files of their packages, or
    of their folders if they are in no package, and small files of data there, as far as the limits allow. What git
    ignores, hidden files and links are left out, and so are installed packages, virtual environments and studies.
    """
    files: dict[str, bytes] = {}
    folders: dict[Path, Path] = {}
    for function in functions:
        if is_loadable(function) and not from_study(function):
            for root, path, content in _modules_of(function):
                files[path] = content
                if not is_installed(root) and path.partition("/")[0].removesuffix(".py") not in OWN_PACKAGES:
                    folders[_package_folder(root, path)] = root
    return _snapshot(folders, files)


def snapshot_of_file(path: Path, *, limit: int = MAX_BYTES) -> Snapshot:
    """The files of the code of a job file, which comes first; `limit` is that of files that are not loaded."""
    path = path.expanduser().resolve()
    loaded = [name for name, module in list(sys.modules.items()) if getattr(module, "__file__", None) == str(path)]
    root, relative = folder_and_path(path, next((name for name in loaded if name != "__main__"), path.stem))
    return _snapshot({_package_folder(root, relative): root}, {relative: path.read_bytes()}, limit)


def _package_folder(root: Path, path: str) -> Path:
    """The folder of the outermost package of a module; of the module itself if it is in no package."""
    packages = [folder for folder in (root / path).parents if (folder / "__init__.py").is_file()]
    return (
        [folder for folder in packages if folder != root and folder.is_relative_to(root)] or [(root / path).parent]
    )[-1]


def _modules_of(function: Callable[..., Any]) -> Iterator[tuple[Path, str, bytes]]:
    for home in homes_of(function):
        # The code that made the function may have no file.
        content = content_of(home) if home.get("__file__") else None
        if content is not None:
            root, path = folder_and_path(_absolute(home["__file__"]), module_named(home, function))
            yield root, path, content


def _snapshot(folders: Mapping[Path, Path], files: dict[str, bytes], limit: int = MAX_BYTES) -> Snapshot:
    roots = tuple(dict.fromkeys(folders.values()))
    left_out = []
    for root in roots:
        for path, file in loaded_files(root).items():
            with suppress(OSError):
                files.setdefault(path, file.read_bytes())
    total = sum(map(len, files.values()))
    candidates = sorted(_candidates(folders), key=lambda each: (not each[0].endswith(".py"), each[0].count("/")))
    neighbours = Counter(file.parent for _, file in candidates)
    for path, file in candidates:
        if path in files:
            continue
        with suppress(OSError):
            size = file.stat().st_size
            crowded = not path.endswith(".py") and neighbours[file.parent] >= _MAX_ENTRIES
            if crowded or size > _MAX_FILE_BYTES or len(files) >= _MAX_FILES or total + size > limit:
                left_out.append(f"{PurePosixPath(path).parent}/" if crowded else path)
            else:
                files[path] = file.read_bytes()
                total += size
    return Snapshot(roots, files, tuple(dict.fromkeys(left_out)))


def _candidates(folders: Mapping[Path, Path]) -> Iterator[tuple[str, Path]]:
    for folder, root in folders.items():
        # Such a folder is no project: its other files have nothing to do with the job.
        if folder not in (Path.home(), Path(folder.anchor), Path(tempfile.gettempdir())):
            for file in project_files(folder, most=_MAX_SEEN, hidden=False):
                yield file.relative_to(root).as_posix(), file


def loaded_files(root: Path) -> dict[str, Path]:
    """The source files below a folder from which this process has imported modules, by their paths in it."""
    found = {}
    for name, module in [*sys.modules.items(), *replaced.items()]:
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py") and name != "__main__" and not is_of_study(vars(module)):
            path = _absolute(file)
            if path.is_relative_to(root) and not is_installed(path) and not _is_own(name, path):
                found[path.relative_to(root).as_posix()] = path
    return found


def _is_own(name: str, path: Path) -> bool:
    top = name.partition(".")[0]
    return top in OWN_PACKAGES and any(parent.name == top for parent in path.parents)


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file of a job's code that differs from the study's copy of it."""

    path: str
    file: Path
    before: bytes
    now: bytes


def changed_files(
    functions: Iterable[Callable[..., Any]], recorded: Recorded, read: Callable[[str], bytes]
) -> list[ChangedFile]:
    """The files that this process has loaded from the folders of functions and that do something else than the copies.

    `read` returns a copy's content by its path.
    """
    changed = []
    for root in import_folders(functions):
        for path, file in loaded_files(root).items():
            with suppress(OSError):
                now = file.read_bytes()
                if path in recorded.files and digest_of(now) != recorded.files[path]:
                    before = read(path)
                    if not same_text(before, now):
                        changed.append(ChangedFile(path, file, before, now))
    return changed


def import_folders(functions: Iterable[Callable[..., Any]]) -> list[Path]:
    """The folders from which the modules of functions are imported, each once, sorted."""
    folders = {
        root.resolve()
        for function in functions
        for root, path, _ in _modules_of(function)
        if path.partition("/")[0] not in OWN_PACKAGES and not is_installed(root)
    }
    return sorted(folders)


def folder_and_path(file: Path, module: str) -> tuple[Path, str]:
    """The folder from which a module is imported, and its path within that folder."""
    parts = module.split(".")
    own = file.parent if file.name == "__init__.py" and parts[-1] != "__init__" else file.with_suffix("")
    above = [own, *own.parents][: len(parts)]
    if [folder.name for folder in above] == parts[::-1]:
        root = above[-1].parent
        return root, file.relative_to(root).as_posix()
    # A job file is a top-level module; dots in its name do not separate packages.
    return file.parent, f"{module}.py"


def is_installed(place: Path) -> bool:
    """Whether a path belongs to installed packages, the standard library, or a virtual environment."""
    if any(part in INSTALLED for part in place.parts):
        return True
    return any(place.is_relative_to(home) for home in _HOMES)


def _absolute(file: str) -> Path:
    # Without the dots that `sys.path.append("../lib")` leaves in it; Path.absolute keeps them.
    return Path(os.path.abspath(file))  # noqa: PTH100


def project_files(folder: Path, *, most: int | None = None, hidden: bool = True, above: bool = True) -> Iterator[Path]:
    """The regular files of a project that git would not ignore, the nearest first; at most so many entries are seen.

    Links are not followed, since they may lead anywhere. Virtual environments, tunepipe's own packages, studies, and
    where programs keep passwords are left out. `above` says whether the rules of the folders above count.
    """
    due, seen = deque([(folder, _rules_above(folder) if above else [])]), 0
    while due and (most is None or seen < most):
        here, rules = due.popleft()
        if here != folder and _is_no_project(here):
            continue
        try:
            rules = _with_rules(rules, here)
            entries = sorted(os.scandir(here), key=lambda each: each.name)
        except PermissionError:
            if most is None:
                raise
            continue
        seen += len(entries)
        for entry in entries:
            path, is_folder = Path(entry.path), entry.is_dir(follow_symlinks=False)
            if entry.name in _NEVER | _CREDENTIALS or _ignored(path, is_folder, rules):
                continue
            if hidden or not entry.name.startswith("."):
                if is_folder:
                    due.append((path, rules))
                elif entry.is_file(follow_symlinks=False):
                    yield path


def _is_no_project(folder: Path) -> bool:
    # A study that begins has its first session before it has its study.json.
    if any((folder / file).is_file() for file in ("pyvenv.cfg", "sessions/0001.json")):
        return True
    own = [getattr(sys.modules.get(name), "__file__", None) for name in OWN_PACKAGES]
    return str(folder / "__init__.py") in own


def _rules_above(project: Path) -> _Rules:
    """The rules of the folders above one within a git repository; none if they ignore that folder itself."""
    root = next((folder for folder in project.parents if (folder / ".git").exists()), None)
    if root is None or (project / ".git").exists():
        return []
    rules: _Rules = []
    for folder in reversed([folder for folder in project.parents if folder.is_relative_to(root)]):
        rules = _with_rules(rules, folder)
    steps = [folder for folder in (project, *project.parents) if folder.is_relative_to(root) and folder != root]
    return [] if any(_ignored(step, True, rules) for step in steps) else rules


def _with_rules(rules: _Rules, folder: Path) -> _Rules:
    ignoring = folder / ".gitignore"
    if not ignoring.is_file():
        return rules
    from pathspec import GitIgnoreSpec

    return [*rules, (folder, GitIgnoreSpec.from_lines(ignoring.read_text(errors="replace").splitlines()))]


def _ignored(path: Path, is_folder: bool, rules: _Rules) -> bool:
    """Whether git ignores a path: the nearest .gitignore with a matching rule decides."""
    for folder, spec in reversed(rules):
        if path.is_relative_to(folder):
            ignored = spec.check_file(f"{path.relative_to(folder).as_posix()}{'/' if is_folder else ''}").include
            if ignored is not None:
                return ignored
    return False
