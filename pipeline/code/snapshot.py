"""A study's copy of a job's code: what is copied, and how another process finds it again.

The code is found in the user's folder while that has the study's code, else in a checked copy of it.
"""

import atexit
import itertools
import os
import sys
import sysconfig
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline.code.frames import INSTALLED, OWN_PACKAGES
from pipeline.code.functions import digest_of, loaded_module, module_name, origin, own_home, same_text
from pipeline.code.modules import content_of, is_of_study, run_file
from pipeline.errors import StorageError
from pipeline.storage.scratch import scratch

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

    _Rules: TypeAlias = list[tuple[Path, GitIgnoreSpec]]

_NEVER = {
    ".git", ".hg", ".venv", "venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", "node_modules",
    # Where programs keep a user's passwords and keys, mostly in the home folder: all who reach a cluster read its code.
    ".aws", ".azure", ".cache", ".config", ".docker", ".git-credentials", ".gnupg", ".kaggle", ".kube", ".netrc",
    ".pypirc", ".ray", ".ssh",
}  # fmt: skip

MAX_BYTES = 10 * 10**6
_MAX_FILES, _MAX_FILE_BYTES, _MAX_ENTRIES, _MAX_SEEN = 500, 10**6, 100, 20_000
"""A snapshot has at most so many files, of so many that are seen; files of data are smaller, and in folders of fewer
entries."""
_SHOWN = 8
_HOMES = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}

_replaced: dict[str, ModuleType] = {}
"""The modules of this process in whose place a study's copies are loaded, by their names."""

_installed: list["Copies"] = []
"""The study whose code imports find now."""

_copied: dict[str, Path] = {}
"""The folders of copies that this process has written, by what is in them."""


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
        value = {"roots": [], "files": {}} if value is None else value
        try:
            self.roots, self.files = tuple[str, ...](value["roots"]), dict[str, str](value["files"])
            # None if no script has recorded them.
            self.arguments = tuple[str, ...](value["arguments"]) if "arguments" in value else None
            texts = [*self.roots, *self.files, *self.files.values(), *(self.arguments or ())]
            within = all(path and path[0] != "/" and ".." not in PurePosixPath(path).parts for path in self.files)
            sound = within and all(isinstance(text, str) and "\0" not in text for text in texts)
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
        paths = (f"{module}.py", f"{below}.py", f"{below}/__init__.py")
        return next((path for path in paths if path in self.files), None)


def snapshot_of(functions: Iterable[Callable[..., Any]]) -> Snapshot:
    """The files of the code of functions; those that come from a study's copies are copied already.

    The modules that are loaded from the functions' folders come first. Then other Python files of their packages, or
    of their folders if they are in no package, and small files of data there, as far as the limits allow. What git
    ignores, hidden files and links are left out, and so are installed packages, virtual environments and studies.
    """
    files: dict[str, bytes] = {}
    folders: dict[Path, Path] = {}
    for function in functions:
        found = origin(function)
        if found.loadable and not found.of_study:
            for root, path, content in _modules_of(function):
                files[path] = content
                if _is_project(root, path):
                    folders[_package_folder(root, path)] = root
    return _snapshot(folders, files)


def snapshot_of_file(path: Path, *, limit: int = MAX_BYTES) -> Snapshot:
    """The files of the code of a job file, which comes first; `limit` is that of files that are not loaded."""
    path = path.expanduser().resolve()
    loaded = [name for name, module in list(sys.modules.items()) if getattr(module, "__file__", None) == str(path)]
    root, relative = _folder_and_path(path, next((name for name in loaded if name != "__main__"), path.stem))
    return _snapshot({_package_folder(root, relative): root}, {relative: path.read_bytes()}, limit)


def _package_folder(root: Path, path: str) -> Path:
    """The folder of the outermost package of a module; of the module itself if it is in no package."""
    top = root / path.partition("/")[0]
    return top if (top / "__init__.py").is_file() else (root / path).parent


def _modules_of(function: Callable[..., Any]) -> Iterator[tuple[Path, str, bytes]]:
    """The modules that load and define a function, with the folder from which they are imported and their text."""
    home, own = origin(function).home, own_home(function)
    for each in [home] if home is own else [home, own]:
        # The code that made the function may have no file.
        content = content_of(each) if each.get("__file__") else None
        if content is not None:
            root, path = _folder_and_path(_absolute(each["__file__"]), module_name(each, function))
            yield root, path, content


def _snapshot(folders: Mapping[Path, Path], files: dict[str, bytes], limit: int = MAX_BYTES) -> Snapshot:
    roots = tuple(dict.fromkeys(folders.values()))
    left_out = []
    for root in roots:
        for path, file in _loaded_files(root).items():
            with suppress(OSError):
                files.setdefault(path, file.read_bytes())
    total, candidates = sum(map(len, files.values())), list[tuple[str, Path]]()
    for folder, root in folders.items():
        # Such a folder is no project: its other files have nothing to do with the job.
        if folder not in (Path.home(), Path(folder.anchor), Path(tempfile.gettempdir())):
            seen = itertools.islice(project_files(folder, complete=False), _MAX_SEEN)
            candidates += [(file.relative_to(root).as_posix(), file) for file in seen]
    neighbours = Counter(file.parent for _, file in candidates)
    for path, file in sorted(candidates, key=lambda each: (not each[0].endswith(".py"), each[0].count("/"))):
        with suppress(OSError):
            size = file.stat().st_size
            crowded = not path.endswith(".py") and neighbours[file.parent] >= _MAX_ENTRIES
            if path in files:
                continue
            if crowded or size > _MAX_FILE_BYTES or len(files) >= _MAX_FILES or total + size > limit:
                left_out.append(f"{PurePosixPath(path).parent}/" if crowded else path)
            else:
                files[path] = file.read_bytes()
                total += size
    return Snapshot(roots, files, tuple(dict.fromkeys(left_out)))


def _loaded_files(root: Path) -> dict[str, Path]:
    """The source files below a folder from which this process has imported modules, by their paths in it."""
    found = {}
    for name, module in [*sys.modules.items(), *_replaced.items()]:
        file = getattr(module, "__file__", None)
        own = name == "__main__" or name.partition(".")[0] in OWN_PACKAGES
        if isinstance(file, str) and file.endswith(".py") and not own and not is_of_study(vars(module)):
            path = _absolute(file)
            if path.is_relative_to(root) and not _is_installed(path):
                found[path.relative_to(root).as_posix()] = path
    return found


def changed_files(
    functions: Iterable[Callable[..., Any]], recorded: Recorded, read: Callable[[str], bytes]
) -> dict[str, Path]:
    """The files that this process has loaded from the folders of functions and that do something else than the copies.

    `read` returns a copy's content by its path.
    """
    changed = {}
    for root in import_folders(functions):
        for path, file in _loaded_files(root).items():
            with suppress(OSError):
                now, before = file.read_bytes(), recorded.files.get(path)
                if before not in (None, digest_of(now)) and not same_text(read(path), now):
                    changed[path] = file
    return changed


def import_folders(functions: Iterable[Callable[..., Any]]) -> list[Path]:
    """The folders from which the modules of functions are imported, each once, sorted."""
    modules = [module for function in functions for module in _modules_of(function)]
    return sorted({root.resolve() for root, path, _ in modules if _is_project(root, path)})


def _folder_and_path(file: Path, module: str) -> tuple[Path, str]:
    """The folder from which a module is imported, and its path within that folder."""
    parts = module.split(".")
    own = file.parent if file.name == "__init__.py" and parts[-1] != "__init__" else file.with_suffix("")
    if list(own.parts[-len(parts) :]) == parts:
        root = own.parents[len(parts) - 1]
        return root, file.relative_to(root).as_posix()
    # A job file is a top-level module; dots in its name do not separate packages.
    return file.parent, f"{module}.py"


def _is_project(root: Path, path: str) -> bool:
    return path.partition("/")[0].removesuffix(".py") not in OWN_PACKAGES and not _is_installed(root)


def _is_installed(place: Path) -> bool:
    """Whether a path belongs to installed packages, the standard library, or a virtual environment."""
    return any(part in INSTALLED for part in place.parts) or any(place.is_relative_to(home) for home in _HOMES)


def _absolute(file: str) -> Path:
    # Without the dots that `sys.path.append("../lib")` leaves in it; Path.absolute keeps them.
    return Path(os.path.abspath(file))  # noqa: PTH100


def project_files(folder: Path, *, complete: bool = True) -> Iterator[Path]:
    """The regular files of a project that git would not ignore, the nearest first.

    Links are not followed, since they may lead anywhere. Virtual environments, tunepipe's own packages, studies, and
    where programs keep passwords are left out; unless `complete`, so are hidden files and folders that may not be read.
    """
    due = deque([(folder, _rules_above(folder))])
    while due:
        here, rules = due.popleft()
        try:
            rules, entries = _with_rules(rules, here), sorted(os.scandir(here), key=lambda each: each.name)
        except PermissionError:
            if complete:
                raise
            continue
        for entry in entries:
            path, is_folder = Path(entry.path), entry.is_dir(follow_symlinks=False)
            hidden = entry.name.startswith(".") and not complete
            if hidden or entry.name in _NEVER or _ignored(path, is_folder, rules):
                continue
            if is_folder and not _is_no_project(path):
                due.append((path, rules))
            elif entry.is_file(follow_symlinks=False):
                yield path


def _is_no_project(folder: Path) -> bool:
    own = [getattr(sys.modules.get(name), "__file__", None) for name in OWN_PACKAGES]
    # A study that begins has its first session before it has its study.json.
    is_other = any((folder / file).is_file() for file in ("pyvenv.cfg", "sessions/0001.json"))
    return is_other or str(folder / "__init__.py") in own


def _rules_above(project: Path) -> "_Rules":
    """The rules of the folders above one within a git repository; none if they ignore that folder itself."""
    repository = next((folder for folder in (project, *project.parents) if (folder / ".git").exists()), project)
    rules: _Rules = []
    for folder in reversed([each for each in (project, *project.parents) if repository in each.parents]):
        rules = _with_rules(rules, folder.parent)
        if _ignored(folder, True, rules):
            return []
    return rules


def _with_rules(rules: "_Rules", folder: Path) -> "_Rules":
    ignoring = folder / ".gitignore"
    if not ignoring.is_file():
        return rules
    from pathspec import GitIgnoreSpec

    return [*rules, (folder, GitIgnoreSpec.from_lines(ignoring.read_text(errors="replace").splitlines()))]


def _ignored(path: Path, is_folder: bool, rules: "_Rules") -> bool:
    """Whether git ignores a path: the nearest .gitignore with a matching rule decides."""
    for folder, spec in reversed(rules):
        ignored = spec.check_file(f"{path.relative_to(folder).as_posix()}{'/' if is_folder else ''}").include
        if ignored is not None:
            return ignored
    return False


class Copies:
    """The copies of a study's code, by what study.json says about them; `read` returns a copy's content by its path.

    No copy runs whose content is not the recorded one. Imports find the study's code before all other after `install`.
    """

    def __init__(self, recorded: Recorded, read: Callable[[str], bytes]) -> None:
        self._recorded, self._read = recorded, read
        self._folders: list[Path] = []

    def module(self, name: str, reference: Mapping[str, Any]) -> ModuleType:
        """The module of a function that JSON names: the loaded one, the copy, or the installed one."""
        if "sha256" not in reference:
            raise ValueError("must come with the sha256 of its source, as the study was saved")
        path = self._recorded.path_of(name)
        if self._loaded_match():
            with suppress(ValueError):
                return loaded_module(name, reference)
        if path is None:
            raise ValueError(f"there is no copy of the source of the module {name}: restore study.json")
        if self._recorded.files[path] != reference["sha256"]:
            raise ValueError(f"its sha256 is not that of {path}, as the study was saved: restore study.json")
        content = self._content(path)
        # Functions may import when they are called, so imports find the study's code from now on.
        self.install(path)
        folder = next((each for each in self._folders if (each / path).is_file()), self._folders[0])
        return run_file(folder / path, name, content, arguments=self._recorded.arguments or (), of_study=True)

    def install(self, made: str = "") -> None:
        """Make imports find the study's code before all others, except `made`, whose module runs its copy's text."""
        if self in _installed:
            return
        forget_copies()
        roots = [Path(root) for root in self._recorded.roots]
        if not self._folders:
            self._folders = roots if self._unchanged(roots, made) else [self._copy(roots)]
        if not self._loaded_match():
            _replaced.update({name: sys.modules.pop(name) for name in self._loaded()})
        _installed.append(self)
        if roots:
            sys.path[:0] = map(str, self._folders)

    def remove(self) -> None:
        """Unload what was imported from a copy, and restore what it replaced."""
        _installed.remove(self)
        for folder in map(str, self._folders):
            if folder in sys.path:
                sys.path.remove(folder)
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            copied = isinstance(file, str) and any(Path(file).is_relative_to(copy) for copy in _copied.values())
            if copied or is_of_study(vars(module)):
                del sys.modules[name]
        sys.modules.update(_replaced)
        _replaced.clear()

    def _loaded(self) -> dict[str, str]:
        """The loaded modules that the study's code has, too, with the paths of their copies."""
        files = {f"{root}/{path}": path for root in self._recorded.roots for path in self._recorded.files}
        found = {}
        for name, module in list(sys.modules.items()):
            # By its file where the job has added the module's folder to sys.path.
            path = self._recorded.path_of(name) or files.get(str(getattr(module, "__file__", "")))
            # Python's own modules stay: those that have imported them would import them again.
            if path is not None and name.partition(".")[0] not in {*sys.stdlib_module_names, "__main__"}:
                found[name] = path
        return found

    def _loaded_match(self) -> bool:
        """Whether every one of these modules has the content that the study recorded."""
        files = self._recorded.files
        return all(
            digest_of(content_of(vars(sys.modules[name]))) == files[path] for name, path in self._loaded().items()
        )

    def _unchanged(self, roots: list[Path], made: str) -> bool:
        """Whether the user's folders have all of the study's code, and the same."""
        code = {path: digest for path, digest in self._recorded.files.items() if path.endswith(".py")}
        there = {path: root / path for path in code for root in roots if (root / path).is_file()}
        same = all(root.is_absolute() for root in roots) and code.keys() - there.keys() <= {made}
        return same and bool(there) and all(_has_digest(file, code[path]) for path, file in there.items())

    def _content(self, path: str) -> bytes:
        try:
            content = self._read(path)
        except FileNotFoundError:
            raise ValueError(f"the copy source/{path} is missing: restore it") from None
        if digest_of(content) != self._recorded.files[path]:
            raise ValueError(
                f"the copy source/{path} has changed since the study was saved: restore it, or continue with the job's "
                "own file (`tunepipe run FILE --resume`)"
            )
        return content

    def _copy(self, roots: list[Path]) -> Path:
        """A folder with the checked copies, and with links to what the study has not copied of the user's folders."""
        key = repr((sorted(self._recorded.files.items()), roots))
        if key not in _copied:
            # Kept until the process ends: Python reads a function's source for tracebacks, TensorFlow for tracing.
            kept = ExitStack()
            folder = kept.enter_context(scratch("source")).resolve()
            atexit.register(kept.close)
            for path in self._recorded.files:
                content = self._content(path)
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)
            inner = [folder, *(each for each in folder.rglob("*") if each.is_dir())]
            for root in roots:
                for copy in inner:
                    _link_missing(root / copy.relative_to(folder), copy)
            _copied[key] = folder
        return _copied[key]


def _link_missing(original: Path, copy: Path) -> None:
    with suppress(OSError):
        for entry in original.iterdir():
            # Python's own files are only those of the study.
            if not (copy / entry.name).exists() and entry.suffix != ".py" and entry.name != "__pycache__":
                (copy / entry.name).symlink_to(entry)


def _has_digest(file: Path, digest: str | None) -> bool:
    try:
        return digest_of(file.read_bytes()) == digest
    except OSError:
        return False


def forget_copies() -> None:
    """Make imports find what they would find without any study."""
    for copies in [*_installed]:
        copies.remove()


@contextmanager
def as_before() -> Iterator[None]:
    """A context after which imports find the same study's code as before."""
    before = [*_installed]
    try:
        yield
    finally:
        if _installed != before:
            forget_copies()
            for copies in before:
                copies.install()
