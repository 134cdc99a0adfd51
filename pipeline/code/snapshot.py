"""A study's copy of a job's code: what is copied, and how another process finds it again.

The code is found in the user's folder while that has the study's code, else in a checked copy of it.
"""

import ast
import atexit
import importlib
import itertools
import os
import re
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, ValidationError

from pipeline.code.functions import (
    UnloadedFunction,
    digest_of,
    loaded_module,
    module_name,
    origin,
    own_home,
    reference_to,
)
from pipeline.code.modules import INSTALLED, OWN_PACKAGES, content_of, is_user_file, loading, names_in, run_file
from pipeline.errors import StorageError
from pipeline.storage.scratch import scratch
from pipeline.text import is_text

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

    _Rules: TypeAlias = list[tuple[Path, GitIgnoreSpec]]

_NEVER = {"venv", "__pycache__", "node_modules", *INSTALLED}
_OWN_FOLDERS = [Path(__file__).parents[2] / name for name in OWN_PACKAGES]

MAX_BYTES = 10 * 10**6
_MAX_FILES, _MAX_FILE_BYTES, _MAX_ENTRIES, _MAX_SEEN = 500, 10**6, 100, 20_000
"""A snapshot has at most so many files, of so many that are seen; files of data are smaller, and in folders of fewer
entries."""

_replaced: dict[str, ModuleType] = {}
"""The modules of this process in whose place those of a study are loaded, by their names."""

_copied: dict[str, Path] = {}
"""The folders of copies that this process has written, by what is in them."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of a job's code by their paths within the folders from which they are imported."""

    roots: tuple[Path, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    """What is too large or too much."""

    def __str__(self) -> str:
        return first_of(self.files)


def first_of(paths: Collection[str], most: int = 8) -> str:
    """The first of some paths, and the number of the others, for a message."""
    more = f" and {len(paths) - most:,} more" if len(paths) > most else ""
    return ", ".join([*paths][:most]) + more


def _text(value: Any) -> str:
    # Names of files and arguments may have bytes that are not UTF-8, which pydantic refuses in a str.
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("must be text")
    return value


def _within(path: str) -> str:
    if not path or path[0] == "/" or ".." in PurePosixPath(path).parts:
        raise ValueError("must be a path within the study")
    return path


_Text: TypeAlias = Annotated[Any, AfterValidator(_text)]


class Recorded(BaseModel):
    """What study.json says about the copies: their digests, where the files are from, and the script's arguments."""

    roots: tuple[_Text, ...]
    files: dict[Annotated[_Text, AfterValidator(_within)], _Text]
    arguments: tuple[_Text, ...] | None = None
    """None if no script has recorded them."""

    @classmethod
    def read(cls, value: Any) -> "Recorded":
        try:
            return cls.model_validate({"roots": [], "files": {}} if value is None else value)
        except ValidationError:
            raise StorageError(
                "The entry `sources` of study.json, about the copies in source/, is not what tunepipe wrote. Restore "
                "the file."
            ) from None

    def path_of(self, module: str) -> str | None:
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
        if found.loadable and not _is_copy(found.home.get("__file__")):
            for root, path, content in _modules_of(function):
                files[path] = content
                if PurePosixPath(path).parts[0] not in OWN_PACKAGES and is_user_file(str(root / path)):
                    top = root / path.partition("/")[0]
                    folders[top if (top / "__init__.py").is_file() else (root / path).parent] = root
    return _snapshot(folders, files)


def imported_code(functions: Iterable[Callable[..., Any]]) -> dict[str, str]:
    """The code of the user's modules that are loaded from the folders of functions, by their paths there."""
    loadable = [function for function in functions if origin(function).loadable]
    roots = dict.fromkeys(root for function in loadable for root, _, _ in _modules_of(function))
    files = {path: file for root in roots for path, file in _loaded_files(root).items()}
    return {path: _code_in(file.read_bytes()) for path, file in sorted(files.items())}


def snapshot_of_file(path: Path, *, limit: int = MAX_BYTES) -> Snapshot:
    """The files of the code of a job file, which comes first; `limit` is that of files that are not loaded."""
    path = path.expanduser().resolve()
    return _snapshot({path.parent: path.parent}, {path.name: path.read_bytes()}, limit)


def _modules_of(function: Callable[..., Any]) -> Iterator[tuple[Path, str, bytes]]:
    """The modules that load and define a function, with the folder from which they are imported and their text."""
    home, own = origin(function).home, own_home(function)
    for each in [home] if home is own else [home, own]:
        # The code that made the function may have no file.
        content = content_of(each) if each.get("__file__") else None
        if content is not None:
            # Without the dots that `sys.path.append("../lib")` leaves in it; Path.absolute keeps them.
            file = Path(os.path.abspath(each["__file__"]))  # noqa: PTH100
            root, path = _folder_and_path(file, module_name(each, function))
            yield root, path, content


def _snapshot(folders: Mapping[Path, Path], files: dict[str, bytes], limit: int = MAX_BYTES) -> Snapshot:
    roots = tuple(dict.fromkeys(folders.values()))
    for root in roots:
        for path, file in _loaded_files(root).items():
            with suppress(OSError):
                files.setdefault(path, file.read_bytes())
    total, candidates = sum(map(len, files.values())), list[tuple[str, Path]]()
    for folder, root in folders.items():
        # Such a folder is no project: its other files have nothing to do with the job.
        if folder not in (Path.home(), Path(folder.anchor), Path(tempfile.gettempdir())):
            seen = itertools.islice(project_files(folder), _MAX_SEEN)
            candidates += [(file.relative_to(root).as_posix(), file) for file in seen]
    neighbours = Counter(file.parent for _, file in candidates)
    left_out = []
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
    """The user's source files below a folder from which this process has imported modules, by their paths in it."""
    found, below = {}, os.path.join(root, "")  # noqa: PTH118
    for name, module in list(sys.modules.items()):
        file = names_in(module).get("__file__")
        own = name == "__main__" or name.partition(".")[0] in OWN_PACKAGES
        if isinstance(file, str) and file.endswith(".py") and not own:
            # Thousands of modules: their paths are compared as text.
            path = os.path.abspath(file) if "/." in file or not file.startswith("/") else file  # noqa: PTH100
            if path.startswith(below) and is_user_file(path):
                found[path.removeprefix(below)] = Path(path)
    return found


def _folder_and_path(file: Path, module: str) -> tuple[Path, str]:
    parts = module.split(".")
    own = file.parent if file.name == "__init__.py" and parts[-1] != "__init__" else file.with_suffix("")
    if list(own.parts[-len(parts) :]) == parts:
        root = own.parents[len(parts) - 1]
        return root, file.relative_to(root).as_posix()
    # A job file is a top-level module; dots in its name do not separate packages.
    return file.parent, f"{module}.py"


def project_files(folder: Path) -> Iterator[Path]:
    """The regular files of a project that git would not ignore, the nearest first.

    Links are not followed, since they may lead anywhere. Hidden files and folders, where programs keep passwords, are
    left out, and so are names that are not UTF-8, virtual environments, tunepipe's own packages, studies, and folders
    that may not be read.
    """
    due = deque([(folder, _rules_above(folder))])
    while due:
        here, rules = due.popleft()
        try:
            rules, entries = _with_rules(rules, here), sorted(os.scandir(here), key=lambda each: each.name)
        except PermissionError:
            continue
        for entry in entries:
            path, is_folder = Path(entry.path), entry.is_dir(follow_symlinks=False)
            left_out = entry.name.startswith(".") or entry.name in _NEVER or not is_text(entry.name)
            if left_out or _ignored(path, is_folder, rules):
                continue
            if is_folder and not _is_no_project(path):
                due.append((path, rules))
            elif entry.is_file(follow_symlinks=False):
                yield path


def _is_no_project(folder: Path) -> bool:
    # A study that begins has its first session before it has its study.json; an export has its winner.
    others = ("pyvenv.cfg", "conda-meta/history", "sessions/0001.json", "winner.json")
    # Of pathlib, a folder that may not be read is an error.
    is_other = any(os.path.isfile(folder / file) for file in others)  # noqa: PTH113
    return is_other or folder in _OWN_FOLDERS


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

    lines = ignoring.read_text(errors="replace").splitlines()
    return [*rules, (folder, GitIgnoreSpec.from_lines(filter(_is_rule, lines)))]


def _is_rule(line: str) -> bool:
    """Whether pathspec reads a line; git ignores one that is no rule."""
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return False
    return True


def _ignored(path: Path, is_folder: bool, rules: "_Rules") -> bool:
    for folder, spec in reversed(rules):
        ignored = spec.check_file(f"{path.relative_to(folder).as_posix()}{'/' if is_folder else ''}").include
        if ignored is not None:
            return ignored
    return False


class Copies:
    """The copies of a study's code, by what study.json says about them; `read` returns a copy's content by its path.

    No copy runs whose content is not the recorded one. Once a module of it has run, imports find the study's code
    before all other.
    """

    def __init__(self, recorded: Recorded, read: Callable[[str], bytes]) -> None:
        self._recorded, self._read = recorded, read
        self._folders: list[Path] = []

    def module(self, name: str, reference: Mapping[str, Any]) -> ModuleType:
        """The module of a function that JSON names: the loaded one, the installed one, or the copy."""
        path = self._recorded.path_of(name)
        if self._loaded_match():
            with suppress(ValueError):
                return loaded_module(name, reference)
        if path is None:
            raise ValueError(f"there is no copy of the source of the module {name}: restore study.json")
        if self._recorded.files[path] != reference.get("sha256"):
            raise ValueError(f"its sha256 is not that of {path}, as the study was saved: restore study.json")
        content = self._content(path)
        # Functions may import when they are called, so imports find the study's code from now on.
        self._install(path)
        if path != f"{name}.py":
            with loading(self._folders[0] / path):
                importlib.import_module(name)
            return loaded_module(name, reference)
        folder = next((each for each in self._folders if (each / path).is_file()), self._folders[0])
        return run_file(folder / path, name, content, self._recorded.arguments or ())

    def same_code(self, saved: UnloadedFunction, now: Callable[..., Any]) -> bool:
        """Whether a function is one of the study, regardless of comments, layout and its file's name."""
        before, after = saved.reference, reference_to(now)
        module, _, name = before["function"].rpartition(":")
        path, source = self._recorded.path_of(module), origin(now).source
        same_name = after["function"].rpartition(":")[2] == name
        same_text = path is not None and source is not None and self._same_text(path, source)
        return before == after or (same_name and same_text)

    def changed_imports(self, functions: Iterable[Callable[..., Any]]) -> dict[str, Path]:
        """The user's loaded modules whose code is not that of their copies, without those of functions."""
        own = {id(home) for function in functions for home in (origin(function).home, own_home(function))}
        changed = {}
        for name, path in self._loaded().items():
            home = vars(sys.modules[name])
            file, now = str(home.get("__file__")), content_of(home)
            other = now is not None and digest_of(now) != self._recorded.files[path] and not self._same_text(path, now)
            if other and id(home) not in own and is_user_file(file):
                changed[path] = Path(file)
        return changed

    def _same_text(self, path: str, source: bytes) -> bool:
        """Whether a source is that of a copy, regardless of comments, layout and its job's arguments."""
        try:
            copy = self._read(path)
            return copy == source or _code_in(copy) == _code_in(source)
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            return False

    def _install(self, made: str) -> None:
        """Make imports find the study's code before all others, except `made`, whose module runs its copy's text."""
        if not self._folders:
            roots = [Path(root) for root in self._recorded.roots]
            self._folders = roots if self._unchanged(roots, made) else [self._copy()]
        if not self._loaded_match():
            _replaced.update({name: sys.modules.pop(name) for name in self._loaded()})
        entries = [str(folder) for folder in self._folders]
        sys.path[:] = [*entries, *(entry for entry in sys.path if entry not in entries)]

    def _loaded(self) -> dict[str, str]:
        """The loaded modules that the study's code has, too, with the paths of their copies."""
        files = {f"{root}/{path}": path for root in self._recorded.roots for path in self._recorded.files}
        found = {}
        for name, module in list(sys.modules.items()):
            # By its file where the job has added the module's folder to sys.path; a library may have a file's name.
            file = str(names_in(module).get("__file__", ""))
            path = files.get(file) or (self._recorded.path_of(name) if is_user_file(file) else None)
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
        there = {path: root / path for path in code for root in roots if os.path.isfile(root / path)}  # noqa: PTH113
        same = all(root.is_absolute() for root in roots) and code.keys() - there.keys() <= {made}
        with suppress(OSError):
            return same and bool(there) and all(digest_of(there[path].read_bytes()) == code[path] for path in there)
        return False

    def _content(self, path: str) -> bytes:
        with suppress(FileNotFoundError):
            if digest_of(content := self._read(path)) == self._recorded.files[path]:
                return content
        raise ValueError(
            f"the copy source/{path} is missing or has changed since the study was saved: restore it, or continue with "
            "the job's own file (`tunepipe run FILE --resume`)"
        )

    def _copy(self) -> Path:
        key = repr(sorted(self._recorded.files.items()))
        if key not in _copied:
            # Kept until the process ends: Python reads a function's source for tracebacks, TensorFlow for tracing.
            kept = ExitStack()
            folder = kept.enter_context(scratch("source")).resolve()
            atexit.register(kept.close)
            for path in self._recorded.files:
                content = self._content(path)
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)
            _copied[key] = folder
        return _copied[key]


def _code_in(source: bytes) -> str:
    """A module's code without a job's arguments, which are compared as the fields of that job."""
    # Compared as text, an edited budget or comment of the job's file would be changed code, which a resume refuses.
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "TuneJob":
            # A lambda is known by the code of its module alone.
            node.keywords = [each for each in node.keywords if "Lambda(" in ast.dump(each)]
    return ast.dump(tree)


def _is_copy(file: str | None) -> bool:
    return file is not None and file.startswith(tuple(f"{folder}/" for folder in _copied.values()))


@contextmanager
def as_before() -> Iterator[None]:
    """A context after which imports find the same code as before: no copies of a study that was loaded within it."""
    path, modules, replaced = [*sys.path], dict(sys.modules), dict(_replaced)
    try:
        yield
    finally:
        for name, module in [*sys.modules.items()] if _copied else ():
            if modules.get(name) is not module and _is_copy(names_in(module).get("__file__")):
                del sys.modules[name]
        for name in _replaced.keys() - replaced.keys():
            sys.modules[name] = _replaced.pop(name)
        sys.path[:] = path
