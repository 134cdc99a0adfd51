"""Files next to a job that hide a module of Python or of a library: an import of that name finds the file instead."""

import re
import sys
import sysconfig
from collections.abc import Iterable
from contextlib import suppress
from importlib.machinery import BuiltinImporter, FrozenImporter
from itertools import takewhile
from pathlib import Path
from types import ModuleType

from pipeline.wording import by_count, listed

LIBRARIES = (
    *("cmaes", "duckdb", "jinja2", "keras", "kubernetes", "matplotlib", "ml_dtypes", "numpy", "optuna", "packaging"),
    *("pandas", "pathspec", "psutil", "pyarrow", "pydantic", "ray", "requests", "rich", "scipy", "sklearn"),
    *("starlette", "tensorboardX", "tensorflow", "threadpoolctl", "typer", "uvicorn", "websocket", "yaml"),
    *("absl", "click", "google", "grpc", "h5py", "PIL", "six"),
)
"""The packages that tunepipe imports, and those behind them with names that a file of a user may have."""

_UNUSED = ("antigravity", "idlelib", "test", "this", "turtle", "turtledemo")
"""Modules of Python that no library imports."""

_ABOUT_MODULE = re.compile(r"\b(?:ImportError|ModuleNotFoundError|AttributeError): .*?\b(?:module|named|from) '(\w+)")
"""The last line of a traceback that is about a module, and the module's name."""

_UNNAMED = re.compile(r"cannot import name (\w+)$")
"""An error of code that Cython compiled: what its module lacks, without the module's name."""


def hidden_modules(folders: Iterable[Path]) -> dict[Path, str]:
    """The files of folders that hide a module."""
    names = {*sys.stdlib_module_names, *LIBRARIES}.difference(_UNUSED)
    found = {}
    for folder in dict.fromkeys(folders):
        # Its code has been imported, so it can be read; it may be gone by now.
        with suppress(OSError):
            for path in folder.iterdir():
                name = path.stem if path.suffix == ".py" else path.name
                if name in names and _can_hide(name) and _is_module(path):
                    found[path] = name
    return dict(sorted(found.items()))


def hidden_behind(error: BaseException) -> dict[Path, str]:
    """The files that hide the module which an import did not find, or which lacks what was looked up in it."""
    if isinstance(error, ImportError):
        name = error.name
        if name is None and (lacked := _UNNAMED.match(str(error))):
            return {path: hidden for path, hidden in hidden_here().items() if _came_without(lacked[1], path, hidden)}
    elif isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        name = error.obj.__name__
    else:
        return {}
    top = (name or "").partition(".")[0]
    return {path: hidden for path, hidden in hidden_here().items() if hidden == top}


def hidden_behind_text(text: str, folders: Iterable[Path]) -> dict[Path, str]:
    """The files that hide the modules which printed errors of imports and of look-ups in modules are about."""
    names, unnamed = _ABOUT_MODULE.findall(text), _UNNAMED.search(text)
    return {path: hidden for path, hidden in hidden_modules(folders).items() if unnamed or hidden in names}


def hidden_here() -> dict[Path, str]:
    """The files that hide a module in this process: those in the folders of sys.path before those of Python."""
    python = {sysconfig.get_path(each) for each in ("stdlib", "platstdlib", "purelib", "platlib")}
    before = map(Path, takewhile(lambda entry: entry not in python, sys.path))
    # Libraries, such as Ray, put their own folders there.
    return hidden_modules(folder for folder in before if not any(map(folder.is_relative_to, python)))


def hidden_text(hidden: dict[Path, str]) -> str:
    """What hides which module, and what to do, as sentences."""
    them = by_count(len(hidden), "it", "them")
    return f"{what_hides(hidden)}: an import of that name, even in a library, may find {them} instead. Rename {them}."


def what_hides(hidden: dict[Path, str]) -> str:
    """What hides which module, as a clause."""
    return listed(f"{path} hides {_owner(name)} {name}" for path, name in hidden.items())


def _came_without(name: str, path: Path, hidden: str) -> bool:
    """Whether the module was imported from the file or package, and lacks the name."""
    module = sys.modules.get(hidden)
    imported = getattr(module, "__file__", None)
    return imported in (str(path), str(path / "__init__.py")) and not hasattr(module, name)


def _owner(name: str) -> str:
    return "Python's module" if name in sys.stdlib_module_names else "the package"


def _can_hide(name: str) -> bool:
    """Whether a folder of sys.path is searched for a module: not for one that is part of the interpreter."""
    return BuiltinImporter.find_spec(name) is None and FrozenImporter.find_spec(name) is None


def _is_module(path: Path) -> bool:
    return path.is_file() if path.suffix == ".py" else (path / "__init__.py").is_file()
