"""The module that a job file is: a top-level one, as a script, or one of the package that contains it."""

import importlib
import importlib.machinery
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import Fault, InvalidJob
from pipeline.study.imports import RelativeImport, relative_imports

_PACKAGE = "__init__.py"

_MAX_NAME_BYTES = 200
"""Bytes; temporary names of files are longer than their final names."""


@dataclass(frozen=True, slots=True)
class JobFile:
    """The module of a job file."""

    module: str
    folder: Path
    package: str = ""


def job_file(path: Path, source: bytes, *, script: bool = False) -> JobFile:
    """The module that a job file is.

    A file with relative imports is a module of its package, as for `python -m package.job`; every other file is a
    script, which imports the modules next to it by their own names.
    """
    _refuse_name(path)
    relative = relative_imports(source)
    if not relative:
        _refuse_hiding(path, path.stem, path.parent)
        return JobFile(path.stem, path.parent)
    packages = _packages(path)
    if script or not packages:
        raise InvalidJob(f"job file {path}", [_without_package(relative[0], script=script)])
    names = [folder.name for folder in packages]
    if path.name == _PACKAGE:
        must = f"must be another module of the package {'.'.join(names)}: write the job into a file next to it"
        raise InvalidJob(f"job file {path}", [Fault("file", path.name, must)])
    for folder in packages:
        if not folder.name.isidentifier():
            must = "must have a name that Python can import, of letters, digits and underscores: rename the folder"
            raise InvalidJob(f"job file {path}", [Fault("package", folder.name, must)])
    if "." in path.stem:
        must = "must have no other dot in its name, because it is a module of a package: rename it"
        raise InvalidJob(f"job file {path}", [Fault("file", path.name, must)])
    root = packages[0].parent
    _refuse_hiding(path, names[0], root)
    package = ".".join(names)
    return JobFile(f"{package}.{path.stem}", root, package)


def import_package(file: JobFile) -> None:
    """Import the package of a job file; a loaded package of the same name from another folder is forgotten."""
    if not file.package:
        return
    top = file.package.partition(".")[0]
    loaded = sys.modules.get(top)
    if loaded is not None and str(file.folder / top) not in list(getattr(loaded, "__path__", ())):
        for name in [name for name in sys.modules if name == top or name.startswith(f"{top}.")]:
            del sys.modules[name]
    importlib.invalidate_caches()
    importlib.import_module(file.package)


def _packages(path: Path) -> list[Path]:
    """The folders of the packages that contain a file, the outermost first."""
    folders: list[Path] = []
    for folder in path.parents:
        if not (folder / _PACKAGE).is_file():
            break
        folders.insert(0, folder)
    return folders


def _without_package(found: RelativeImport, *, script: bool) -> Fault:
    write = "" if found.absolute is None else f"write `{found.absolute}`"
    if script:
        must = f"must import by a module's own name, as a script does: {write or 'import from its own folder'}"
    else:
        folder = "its folder" if found.level == 1 else "its folder and those above it"
        add = f"add an empty {_PACKAGE} to {folder}"
        must = f"must be in a package to use relative imports: {f'{write}, or {add}' if write else add}"
    return Fault("file", f"{found.text} (line {found.line})", must)


def _refuse_name(path: Path) -> None:
    """Refuse a file whose copy could not have the same name."""
    stem = path.stem
    if not stem.isprintable() or stem.startswith(".") or len(stem.encode(errors="replace")) > _MAX_NAME_BYTES:
        rename = f"must have a name of at most {_MAX_NAME_BYTES} printable bytes that begins with no dot: rename it"
        raise InvalidJob("the job file", [Fault("file", path.name, rename)])
    if stem == "__main__":
        raise InvalidJob(f"job file {path}", [Fault("file", path.name, "must have another name: rename it")])


def _refuse_hiding(path: Path, top: str, folder: Path) -> None:
    """Refuse a job file that has, or whose package has, the name of a module that others import."""
    installed = [sysconfig.get_path(name) for name in ("purelib", "platlib")]
    hides = top in {*sys.stdlib_module_names, "pipeline", "tune_jobs"} or (
        importlib.machinery.PathFinder.find_spec(top, installed) is not None and str(folder) not in installed
    )
    if hides:
        what, name = ("file", path.name) if top == path.stem and folder == path.parent else ("package", top)
        must = f"must not have the name of the module {top}, which others import: rename it"
        raise InvalidJob(f"job file {path}", [Fault(what, name, must)])
