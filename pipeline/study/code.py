"""A job's functions as data: where each is defined, the source it came from, and how it is loaded back.

In JSON a function is `{"function": "module:name", "sha256": "…"}`. A study keeps a copy of the source beside its
study.json, and a resumed study runs that copy, whatever happened to the original since.
"""

import ast
import importlib
import importlib.machinery
import importlib.util
import inspect
import re
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, TypeAlias

from pydantic import PlainSerializer, PlainValidator, ValidationInfo

from pipeline.errors import Fault, InvalidJob, JobNotFound
from pipeline.study.copies import Copies, ReadOnce, digest_of
from pipeline.study.faults import misnamed_field

__all__ = ["Code", "Data", "is_file", "is_saved", "load_module", "module_of", "same_code", "source_of"]

_MODULE = r"\w[\w-]*(\.\w[\w-]*)*"


@dataclass(frozen=True, slots=True)
class _Named:
    """Stands for a function that is not loaded: who reads a study's results runs none of its code."""

    function: str
    sha256: str | None

    @property
    def __name__(self) -> str:
        return self.function.rpartition(":")[2]

    def __call__(self, *args: object) -> None:
        raise TypeError(f"{self.function} was named, not loaded")


def is_file(path: Path) -> bool:
    """Whether there is such a file; there is none of a name that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def load_module(path: Path, name: str | None = None, content: bytes | None = None) -> ModuleType:
    """Load a Python file as a module.

    Args:
        path: The file.
        name: The module's name; unless given the file's own, without its ending, and modules beside the file can be
            imported, as Python has it for a script.
        content: What the file held when it was looked at; read now unless given.

    Returns:
        The module, registered under its name.

    Raises:
        JobNotFound: There is no such file.
        InvalidJob: The file cannot be run; says at which line.
    """
    if not is_file(path):
        raise JobNotFound(f"There is no job file {path}. A job is a .py file that exports JOB, a TuneJob.")
    if path.suffix != ".py":
        raise JobNotFound(f"{path} is not a Python file. A job is a .py file that exports JOB, a TuneJob.")
    path = path.resolve()
    if name is None:
        name = path.stem
        _refuse_hiding(path)
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
    try:
        loader = ReadOnce(path, content)
    except OSError as error:
        raise JobNotFound(f"The job file {path} cannot be read: {error.strerror}.") from None
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None:
        raise JobNotFound(f"{path} cannot be loaded as a Python file.")
    module = importlib.util.module_from_spec(spec)
    previous = sys.modules.get(name)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except InvalidJob:
        _put_back(name, previous)
        raise
    except (Exception, SystemExit) as error:
        _put_back(name, previous)
        raise InvalidJob(f"job file {path}", [_fault(error, path)]) from error
    return module


def module_of(function: Callable[..., Any]) -> str:
    """The name of the module that defines `function`; a script's own file name, where Python says `__main__`."""
    file = _home(function).get("__file__")
    return Path(file).stem if function.__module__ == "__main__" and file else str(function.__module__)


def source_of(function: Callable[..., Any]) -> bytes | None:
    """The content of the file that defines `function`; None where there is none (a notebook, a prompt)."""
    return _content(_home(function))


def same_code(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    """Whether two functions have one name and the files that define them say the same, comments and layout aside."""
    if one is other:
        return True
    sources = source_of(one), source_of(other)
    if one.__qualname__ != other.__qualname__ or None in sources:
        return False
    try:
        first, second = (ast.dump(ast.parse(source)) for source in sources if source is not None)
    except (SyntaxError, ValueError, RecursionError):
        return sources[0] == sources[1]
    return first == second


def is_saved(function: Callable[..., Any]) -> bool:
    """Whether `function` can be loaded back: it is found in a file under its own name."""
    typed_in = inspect.unwrap(function).__code__.co_filename.startswith("<")
    found = _named(_home(function), function.__qualname__)
    return found is function and source_of(function) is not None and not typed_in


def _home(function: Callable[..., Any]) -> dict[str, Any]:
    """What the module that defines `function` holds; sys.modules may hold another version of it meanwhile."""
    return getattr(inspect.unwrap(function), "__globals__", {})


def _content(home: Mapping[str, Any]) -> bytes | None:
    loader = getattr(home.get("__spec__"), "loader", None)
    if isinstance(loader, ReadOnce):
        return loader.content
    file = home.get("__file__")
    return Path(file).read_bytes() if file and Path(file).is_file() else None


def _named(home: Mapping[str, Any], qualified_name: str) -> Any:
    first, *rest = qualified_name.split(".")
    found = home.get(first)
    for part in rest:
        found = getattr(found, part, None)
    return found


def _serialize(function: Callable[..., Any]) -> dict[str, str | None]:
    if isinstance(function, _Named):
        return {"function": function.function, "sha256": function.sha256}
    return {
        "function": f"{module_of(function)}:{function.__qualname__}",
        "sha256": digest_of(source_of(function)) if is_saved(function) else None,
    }


def _serialize_data(data: Callable[..., Any] | str) -> dict[str, str | None] | str:
    return data if isinstance(data, str) else _serialize(data)


def _validate(value: Any, info: ValidationInfo) -> Callable[..., Any]:
    if inspect.isfunction(value):
        return value
    if not isinstance(value, Mapping):
        raise ValueError("must be a function, defined with def")
    name = value.get("function")
    digest = value.get("sha256")
    parts = re.fullmatch(rf"({_MODULE}):([\w.<>]+)", name) if isinstance(name, str) else None
    if parts is None or not isinstance(digest, str | None) or set(value) - {"function", "sha256"}:
        raise ValueError('must be {"function": "module:name", "sha256": "…"}')
    module_name, qualified_name = parts[1], parts[3]
    context = info.context or {}
    if not context.get("load", True):
        return _Named(parts[0], digest)
    copies: Copies | None = context.get("copies")
    if copies is not None and "sha256" not in value:
        raise ValueError("must come with the sha256 of its source, as the study was saved")
    unsaved = "sha256" in value and digest is None
    if unsaved or "<" in qualified_name or module_name == "__main__":
        raise ValueError("was typed into a notebook, a prompt or another function, and cannot be loaded back")
    found = _named(vars(_module(module_name, digest, copies)), qualified_name)
    if not inspect.isfunction(found):
        raise ValueError(f"must be a function of {module_name}, and there is no {qualified_name} in it")
    return found


def _validate_data(value: Any, info: ValidationInfo) -> Callable[..., Any] | str:
    if isinstance(value, str):
        if not value.strip():
            raise ValueError("must not be empty: a data set's name, a function or the path of a Parquet file")
        return value
    if inspect.isfunction(value) or isinstance(value, Mapping):
        return _validate(value, info)
    raise ValueError("must be a data set's name, a function or the path of a Parquet file")


def _module(name: str, digest: str | None, copies: Copies | None) -> ModuleType:
    """The module whose source has that digest: as loaded here, else the study's own copy, else as installed."""
    loaded = sys.modules.get(name)
    if loaded is not None and digest is not None and digest_of(_content(vars(loaded))) == digest:
        return loaded
    if copies is not None and (copy := copies.path(name)) is not None:
        content = copies.content(copy)
        with copies.importable():
            return load_module(copy, name, content)
    # Looked at before it runs, too: a study could name any module there is.
    changed = f"module {name} has changed since the study was saved, and there is no copy of its source"
    try:
        spec = importlib.util.find_spec(name)
        if spec is None:
            raise ModuleNotFoundError(name=name)
        if digest is not None and digest_of(_content({"__spec__": spec, "__file__": spec.origin})) != digest:
            raise ValueError(changed)
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(f"there is no module {error.name}, and no copy of the source of {name}") from None
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"module {name} cannot be imported: {type(error).__name__}: {error}") from None
    if digest is not None and digest_of(_content(vars(module))) != digest:
        raise ValueError(changed)
    return module


def _refuse_hiding(path: Path) -> None:
    """A job file called as a module that others import would take its place in this process."""
    installed = [sysconfig.get_path(name) for name in ("purelib", "platlib")]
    hides = path.stem in {*sys.stdlib_module_names, "pipeline", "tune_jobs"} or (
        importlib.machinery.PathFinder.find_spec(path.stem, installed) is not None and str(path.parent) not in installed
    )
    if hides:
        raise InvalidJob(
            f"job file {path}",
            [
                Fault(
                    "file",
                    path.name,
                    f"must not be called as the module {path.stem} that others import: rename it",
                )
            ],
        )


def _put_back(name: str, previous: ModuleType | None) -> None:
    if previous is None:
        sys.modules.pop(name, None)
    else:
        sys.modules[name] = previous


def _fault(error: BaseException, path: Path) -> Fault:
    """Why a job's file cannot be run."""
    line = _line(error, path)
    try:
        if misnamed := misnamed_field(error, line):
            return misnamed
        text = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:  # it is the user's own class
        text = "an error that cannot be shown"
    told = f"{type(error).__name__}: {text}" + (f" (line {line})" if line else "")
    return Fault("file", told, "must run as Python")


def _line(error: BaseException, path: Path) -> int | None:
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


Code: TypeAlias = Annotated[Callable[..., Any], PlainValidator(_validate), PlainSerializer(_serialize)]
"""A function of the user's, as a field of a job."""

Data: TypeAlias = Annotated[Callable[..., Any] | str, PlainValidator(_validate_data), PlainSerializer(_serialize_data)]
"""A data set's name, a Parquet file's path, or a function of the user's, as a field of a job."""
