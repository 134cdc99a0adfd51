"""The files of a job's code: those of its functions, and those that these import from their folder or package."""

import importlib
import importlib.machinery
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.study.adjacent_files import is_data_folder, joined_paths, named_files
from pipeline.study.function_source import from_study, homes_of, is_loadable, module_named
from pipeline.study.imports import exported_names, imports_of
from pipeline.study.job import TuneJob
from pipeline.study.job_file import job_file
from pipeline.study.module_origin import (
    OWN_PACKAGES,
    absolute,
    folder_and_path,
    is_imported_from,
    is_installed,
    loaded_from,
)
from pipeline.study.source_loader import SourceTextLoader, content_of
from pipeline.wording import size

_COMPILED = (*importlib.machinery.EXTENSION_SUFFIXES, *importlib.machinery.BYTECODE_SUFFIXES)
_SHOWN = 8
_MAX_BYTES = 10 * 10**6
"""A file next to a module is not copied if it makes all of them larger than that."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A module's source, as a study copies it."""

    module: str
    path: str
    content: bytes
    file: Path


@dataclass(frozen=True, slots=True)
class Sources:
    """The code of a job."""

    files: tuple[SourceFile, ...] = ()
    data: tuple[SourceFile, ...] = ()
    folders: tuple[Path, ...] = ()
    uncopied: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    data_folders: tuple[Path, ...] = ()

    def __str__(self) -> str:
        """The copies' paths; those of a package are one."""
        groups: dict[str, list[str]] = {}
        for file in (*self.files, *self.data):
            groups.setdefault(file.path.partition("/")[0], []).append(file.path)
        shown = [paths[0] if len(paths) == 1 else f"{top}/ ({len(paths)} files)" for top, paths in groups.items()]
        more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
        return ", ".join(shown[:_SHOWN]) + more


def sources_of(job: TuneJob) -> Sources:
    """The code of a job's functions.

    Imports are read from the text, wherever they are: at the top of a module, within a function, relative to a package,
    or by `importlib.import_module` with a literal name. If a text imports by names that are known only at run time, the
    modules that this process has imported from the folder so far are included. Installed packages, the standard library
    and virtual environments are never copied, nor is anything outside the folder from which a function's module is
    imported.
    """
    return _Search(
        function for function in job.functions.values() if is_loadable(function) and not from_study(function)
    ).sources()


def sources_of_file(path: Path) -> Sources:
    """The code of a job file, whether its job's functions are in it or in modules that it imports.

    Imports are found as `sources_of` finds them.
    """
    path = path.expanduser().resolve()
    content = path.read_bytes()
    home = job_file(path, content)
    search = _Search()
    search.add(SourceFile(home.module, path.relative_to(home.folder).as_posix(), content, path), home.folder)
    return search.sources()


class _Search:
    """A walk through imports, breadth first."""

    def __init__(self, functions: Iterable[Callable[..., Any]] = ()) -> None:
        importlib.invalidate_caches()
        self._files: dict[str, SourceFile] = {}
        self._data: dict[str, SourceFile] = {}
        self._roots: dict[Path, None] = {}
        self._data_folders: dict[Path, None] = {}
        self._uncopied: dict[str, None] = {}
        self._here: dict[tuple[str, Path], bool] = {}
        self._due: deque[tuple[SourceFile, Path]] = deque()
        self._hidden: dict[str, None] = {}
        for function in functions:
            for home in homes_of(function):
                # The code that made the function may have none.
                if not home.get("__file__"):
                    continue
                file, module = absolute(home["__file__"]), module_named(home, function)
                root, path = folder_and_path(file, module)
                content = content_of(home)
                if content is not None:
                    self.add(SourceFile(module, path, content, file), root)

    def sources(self) -> Sources:
        """All files that the functions need, as far as the study can copy them."""
        while self._due:
            self._follow(*self._due.popleft())
        if self._hidden:
            for root in self._roots:
                self._take_loaded(root)
            while self._due:
                self._follow(*self._due.popleft())
        data = tuple(self._data.values())
        # `folder / "data" / "words.txt"` names the folder, too.
        named = [*(each.file for each in data), *self._data_folders]
        return Sources(
            tuple(self._files.values()),
            data,
            tuple(self._roots),
            tuple(self._uncopied),
            tuple(self._hidden),
            tuple(folder for folder in self._data_folders if not any(folder in each.parents for each in named)),
        )

    def add(self, source: SourceFile, root: Path) -> None:
        """Add a module, whose imports are due then if it is not installed."""
        if source.module in self._files:
            return
        self._files[source.module] = source
        if not is_installed(root) and source.module.partition(".")[0] not in OWN_PACKAGES:
            self._roots[root] = None
            self._due.append((source, root))
            self._add_data(source, root)

    def _add_data(self, source: SourceFile, root: Path) -> None:
        """Add the files and folders that a module names next to itself, or in a folder above within the root."""
        home = source.file.parent
        folders = [folder for folder in (home, *home.parents) if folder.is_relative_to(root)]
        for names, take in (
            (named_files(source.content), self._take_file),
            # A literal that is no part of a path may be any text, such as the name of a layer.
            (joined_paths(source.content), self._take_folder),
        ):
            for name in names:
                for folder in folders:
                    with suppress(OSError, ValueError):
                        place = Path(os.path.normpath(folder / name))
                        if place.is_relative_to(root) and place not in folders and take(place, root):
                            break

    def _take_folder(self, folder: Path, root: Path) -> bool:
        """Whether there is such a folder of data."""
        if _is_hidden(folder, root) or not is_data_folder(folder):
            return False
        self._data_folders[folder] = None
        return True

    def _take_file(self, file: Path, root: Path) -> bool:
        """Whether there is such a file; it is copied if the study can hold it."""
        if file.suffix == ".py" or not file.is_file():
            return False
        path = file.relative_to(root).as_posix()
        if path not in self._data and not _is_hidden(file, root):
            total = sum(len(other.content) for other in self._data.values()) + file.stat().st_size
            if total > _MAX_BYTES:
                why = f"with which the copied data files exceed {size(_MAX_BYTES)}"
                self._uncopied[f"{path}, {why}"] = None
            else:
                self._data[path] = SourceFile(path, path, file.read_bytes(), file)
        return True

    def _follow(self, source: SourceFile, root: Path) -> None:
        package = source.file.name == "__init__.py"
        imports = imports_of(source.content, source.module, package=package)
        for line in imports.hidden:
            self._hidden[f"{source.path}, line {line}"] = None
        for name in imports.names:
            if name.endswith(".*"):
                here = self._files.get(name[:-2])
                exported = exported_names(here.content) if here is not None else ()
                for one in exported:
                    self._take(f"{name[:-2]}.{one}", root)
            else:
                self._take(name, root)

    def _take(self, name: str, root: Path) -> None:
        """Add a module, with the packages that contain it, as far as they are below the root."""
        parts = name.split(".")
        if not all(part.isidentifier() for part in parts) or not self._is_here(parts[0], root):
            return
        for count in range(1, len(parts) + 1):
            module, place = ".".join(parts[:count]), root.joinpath(*parts[:count])
            if module in self._files:
                continue
            files = [place / "__init__.py", place.with_name(f"{place.name}.py")]
            if (loaded := loaded_from(module, root)) is not None:
                # The job may have added the module's folder to sys.path.
                files, place = [loaded], loaded.parent
            file = next((one for one in files if one.is_file()), None)
            if file is not None:
                self._read(module, file, root)
            elif any(place.with_name(place.name + suffix).is_file() for suffix in _COMPILED):
                self._uncopied[f"{place.relative_to(root)}, which is not Python source"] = None
            if loaded is None and not place.is_dir():
                return

    def _read(self, module: str, file: Path, root: Path) -> None:
        if is_installed(file):
            return
        loader = getattr(getattr(sys.modules.get(module), "__spec__", None), "loader", None)
        read = isinstance(loader, SourceTextLoader) and not loader.of_study and loader.get_filename(module) == str(file)
        try:
            content = loader.content if read else file.read_bytes()  # type: ignore[union-attr]
        except OSError as error:
            self._uncopied[f"{file.relative_to(root)}, which cannot be read ({error.strerror})"] = None
            return
        self.add(SourceFile(module, file.relative_to(root).as_posix(), content, file), root)

    def _is_here(self, top: str, root: Path) -> bool:
        """Whether a module or package of that name is imported from the root."""
        if (top, root) not in self._here:
            self._here[top, root] = is_imported_from(top, root)
        return self._here[top, root]

    def _take_loaded(self, root: Path) -> None:
        for name in list(sys.modules):
            if loaded_from(name, root) is not None:
                self._take(name, root)


def _is_hidden(place: Path, root: Path) -> bool:
    """Whether a file or folder below a root, or a folder on the way to it, has a hidden name."""
    return any(part.startswith(".") for part in place.relative_to(root).parts)
