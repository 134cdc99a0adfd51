"""The code of a study: found in the user's folder while that has the study's code, else in a checked copy of it."""

import atexit
import importlib
import importlib.util
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.code.functions import digest_of, script_of
from pipeline.code.modules import content_of, is_of_study, replaced, run_file, same_random_numbers
from pipeline.code.snapshot import Recorded
from pipeline.storage.scratch import scratch

_installed: list["Copies"] = []
"""The study whose code imports find now."""


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
        digest = reference["sha256"]
        # A script that reads its own study would otherwise run a second time, up to its first study.
        loaded = sys.modules.get(name) or script_of(name)
        if loaded is not None and digest_of(content_of(vars(loaded))) == digest and self._loaded_match():
            return loaded
        path = self._recorded.path_of(name)
        if path is None or (not self._recorded.roots and _has_digest(_origin(name) or Path(), digest)):
            return installed_module(name, reference)
        if self._recorded.files[path] != digest:
            raise ValueError(f"its sha256 is not that of {path}, as the study was saved: restore study.json")
        content = self._content(path)
        # Functions may import when they are called, so imports find the study's code from now on.
        self.install(path)
        folder = next((each for each in self._folders if (each / path).is_file()), self._folders[0])
        arguments = self._recorded.arguments or ()
        return run_file(folder / path, name, content, arguments=arguments, of_study=True)

    def install(self, made: str = "") -> None:
        """Make imports find the study's code before all others, except `made`, whose module runs its copy's text."""
        if self in _installed:
            return
        forget_copies()
        if not self._folders:
            roots = [Path(root) for root in self._recorded.roots]
            self._folders = roots if self._unchanged(roots, made) else [self._copy(roots)]
        if not self._loaded_match():
            replaced.update({name: sys.modules.pop(name) for name in [*self._modules()] if name in sys.modules})
        _installed.append(self)
        if self._recorded.roots:
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
        sys.modules.update(replaced)
        replaced.clear()

    def _modules(self) -> Iterator[str]:
        for path in self._recorded.files:
            name = path.removesuffix(".py").removesuffix("/__init__")
            # Python's own modules stay: those that have imported them would import them again.
            own = name.partition("/")[0] in sys.stdlib_module_names or name.endswith("__main__")
            if path.endswith(".py") and not own:
                yield name.replace("/", ".")
                if "/" in name:
                    # The job may have added the module's folder to sys.path.
                    module = sys.modules.get(last := name.rpartition("/")[2])
                    if str(getattr(module, "__file__", "")).endswith(f"/{path}"):
                        yield last

    def _loaded_match(self) -> bool:
        """Whether every one of these modules that is loaded has the content that the study recorded."""
        return all(
            digest_of(content_of(vars(sys.modules[name]))) == self._recorded.files[path]
            for name in self._modules()
            if name in sys.modules and (path := self._recorded.path_of(name)) is not None
        )

    def _unchanged(self, roots: Collection[Path], made: str) -> bool:
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

    def _copy(self, roots: Collection[Path]) -> Path:
        """A folder with the checked copies, and with links to what the study has not copied of the user's folders."""
        key = repr(sorted(self._recorded.files.items())), tuple(roots)
        if key not in _copied:
            # Kept until the process ends: Python reads a function's source for tracebacks, TensorFlow for tracing.
            kept = ExitStack()
            folder = kept.enter_context(scratch("source")).resolve()
            atexit.register(kept.close)
            for path in self._recorded.files:
                content = self._content(path)
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)
            for root in roots:
                for inner in [folder, *(each for each in folder.rglob("*") if each.is_dir() and not each.is_symlink())]:
                    _link_missing(root / inner.relative_to(folder), inner)
            _copied[key] = folder
        return _copied[key]


_copied: dict[tuple[str, tuple[Path, ...]], Path] = {}
"""The folders of copies that this process has written."""


def _link_missing(original: Path, copy: Path) -> None:
    with suppress(OSError):
        for entry in original.iterdir():
            # Python's own files are only those of the study.
            if not (copy / entry.name).exists() and entry.suffix != ".py" and entry.name != "__pycache__":
                (copy / entry.name).symlink_to(entry)


def installed_module(name: str, reference: Mapping[str, Any]) -> ModuleType:
    """An installed module that has the digest which JSON states for it, if it does; else nothing of it is run."""
    # Checked before it runs, because a study could name any module.
    digest = reference.get("sha256")
    loaded = sys.modules.get(name) or script_of(name)
    if loaded is not None and digest is not None and digest_of(content_of(vars(loaded))) == digest:
        return loaded
    file = _origin(name)
    if file is None:
        raise ValueError(f"there is no module {name}, and no copy of its source")
    if digest is not None and not _has_digest(file, digest):
        raise ValueError(f"module {name} has changed since the study was saved, and there is no copy of its source")
    try:
        with same_random_numbers():
            return importlib.import_module(name)
    except Exception as error:
        raise ValueError(f"module {name} cannot be imported: {type(error).__name__}: {error}") from None


def _origin(name: str) -> Path | None:
    """The file of a module that is not loaded; None if there is no such module."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return None if spec is None else Path(spec.origin or "")


def _has_digest(file: Path, digest: str | None) -> bool:
    try:
        return file.is_file() and digest_of(file.read_bytes()) == digest
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
