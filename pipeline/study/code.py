"""A job's functions as data: where each is defined, the source it came from, and how it is loaded back.

In JSON a function is `{"function": "module:name", "sha256": "…"}`. A study keeps a copy of the source beside its
study.json, and a resumed study runs that copy, whatever happened to the original since.
"""

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, TypeAlias

from pydantic import PlainSerializer, PlainValidator, ValidationInfo

from pipeline.errors import Fault, InvalidJob, JobNotFound

__all__ = ["Code", "is_saved", "load_module", "source_of"]


def load_module(path: Path, name: str | None = None) -> ModuleType:
    """Load a Python file as a module.

    Args:
        path: The file.
        name: The module's name; the file's own, without its ending, unless given.

    Returns:
        The module, registered under its name, with the file's folder importable as Python would have it.

    Raises:
        JobNotFound: There is no such file.
        InvalidJob: The file cannot be run; says at which line.
    """
    if not path.is_file():
        raise JobNotFound(f"There is no job file {path}.")
    name = name or path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise JobNotFound(f"{path} is not a Python file; a job is a .py file that exports JOB.")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    if "." not in name and folder not in sys.path:
        sys.path.insert(0, folder)
    previous = sys.modules.get(name)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except InvalidJob:
        _put_back(name, previous)
        raise
    except Exception as error:
        _put_back(name, previous)
        raise InvalidJob(f"job file {path}", [Fault("file", _where(error, path), "must run as Python")]) from error
    return module


def source_of(function: Callable[..., Any]) -> str | None:
    """The text of the file that defines `function`; None where there is none (a notebook, a prompt)."""
    module = sys.modules.get(function.__module__)
    file = getattr(module, "__file__", None)
    if file is None or not Path(file).is_file():
        return None
    return Path(file).read_text(encoding="utf-8")


def is_saved(function: Callable[..., Any]) -> bool:
    """Whether `function` can be loaded back: it is a named function of a file."""
    return source_of(function) is not None and "<" not in function.__qualname__


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _serialize(function: Callable[..., Any]) -> dict[str, str | None]:
    text = source_of(function)
    return {
        "function": f"{function.__module__}:{function.__qualname__}",
        "sha256": None if text is None else _digest(text),
    }


def _validate(value: Any, info: ValidationInfo) -> Callable[..., Any]:
    if inspect.isclass(value) or not (callable(value) or isinstance(value, dict)):
        raise ValueError("must be a function")
    if callable(value):
        return value  # type: ignore[no-any-return]
    try:
        module_name, qualified_name = str(value["function"]).split(":")
    except (KeyError, ValueError):
        raise ValueError('must be {"function": "module:name", "sha256": "…"}') from None
    folder: Path | None = (info.context or {}).get("source")
    module = _module(module_name, value.get("sha256"), folder)
    found: Any = module
    for part in qualified_name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise ValueError(f"there is no function {qualified_name} in {module_name}")
    return found  # type: ignore[no-any-return]


def _module(name: str, sha256: str | None, folder: Path | None) -> ModuleType:
    """The module whose source has that digest: as imported here, else the study's own copy."""
    loaded = sys.modules.get(name)
    file = getattr(loaded, "__file__", None)
    if loaded is not None and file and Path(file).is_file() and _digest(Path(file).read_text("utf-8")) == sha256:
        return loaded
    if folder is not None and (folder / f"{name}.py").is_file():
        path = folder / f"{name}.py"
        if sha256 is not None and _digest(path.read_text("utf-8")) != sha256:
            raise ValueError(f"the copy {path.name} has changed since the study was saved")
        return load_module(path, name)
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ValueError(f"there is no module {name}, and no copy of its source") from None


def _put_back(name: str, previous: ModuleType | None) -> None:
    if previous is None:
        sys.modules.pop(name, None)
    else:
        sys.modules[name] = previous


def _where(error: Exception, path: Path) -> str:
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}" + (f" (line {line})" if line else "")


Code: TypeAlias = Annotated[Callable[..., Any], PlainValidator(_validate), PlainSerializer(_serialize)]
"""A function of the user's, as a field of a job."""
