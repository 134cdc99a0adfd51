"""Where a module comes from: the folder from which it is imported, and whether that is an installed package's."""

import importlib.machinery
import os
import sys
import sysconfig
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.study.function_source import homes_of, module_named
from pipeline.study.source_loader import SourceTextLoader
from pipeline.study.user_frames import INSTALLED

OWN_PACKAGES = ("pipeline", "tune_jobs")
"""Packages of tunepipe itself, which are not copied because a study records its version."""


def absolute(file: str) -> Path:
    """The absolute path of a module's file: without the dots that `sys.path.append("../lib")` leaves in it."""
    return Path(os.path.abspath(file))  # noqa: PTH100 - Path.absolute keeps the dots


def import_folders(functions: Iterable[Callable[..., Any]]) -> list[Path]:
    """The folders from which the modules of functions are imported, each once, sorted."""
    folders = (_folder_of(home, function) for function in functions for home in homes_of(function))
    return sorted({folder.resolve() for folder in folders if folder is not None})


def _folder_of(home: Mapping[str, Any], function: Callable[..., Any]) -> Path | None:
    file, module = home.get("__file__"), module_named(home, function)
    if not file or module.partition(".")[0] in OWN_PACKAGES:
        return None
    folder, _ = folder_and_path(absolute(file), module)
    return None if is_installed(folder) else folder


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
    homes = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return any(place.is_relative_to(home) for home in homes if home)


def is_imported_from(top: str, root: Path) -> bool:
    """Whether a module or package is imported from a folder; those of Python and of tunepipe never are."""
    if top in (*sys.stdlib_module_names, *OWN_PACKAGES):
        return False
    if (loaded := _loaded(top)) is not None:
        places = [loaded.__file__] if getattr(loaded, "__file__", None) else list(getattr(loaded, "__path__", ()))
    else:
        spec = importlib.machinery.PathFinder.find_spec(top, [str(root), *sys.path])
        if spec is None:
            return False
        places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return any(absolute(place).is_relative_to(root) for place in places if place)


def loaded_from(module: str, root: Path) -> Path | None:
    """The source file below a folder from which a module was imported; None if it was not imported from there."""
    file = getattr(_loaded(module), "__file__", None)
    if not isinstance(file, str) or not file.endswith(".py"):
        return None
    path = absolute(file)
    return path if path.is_relative_to(root) and not is_installed(path) and module != "__main__" else None


def _loaded(module: str) -> ModuleType | None:
    """A loaded module, if this process has imported it from where it is, and not from a study's copy."""
    loaded = sys.modules.get(module)
    loader = getattr(getattr(loaded, "__spec__", None), "loader", None)
    return None if isinstance(loader, SourceTextLoader) and loader.of_study else loaded
