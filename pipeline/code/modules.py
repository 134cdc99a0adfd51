"""Job files and their copies as modules: run once, under their own name, with the text that is hashed and copied."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import logging
import os
import random
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from pathlib import Path
from tempfile import TemporaryFile
from types import ModuleType
from typing import Any

from pipeline.code.frames import INSTALLED, OWN_PACKAGES
from pipeline.errors import Fault, InvalidJob, JobNotFound

_MAX_NAME_BYTES = 200
"""Bytes; temporary names of files are longer than their final names."""

_ENDS = (
    "must not end the process. tunepipe runs the file without arguments: give those that it parses a default, or parse "
    'them under `if __name__ == "__main__":`'
)

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
"""TensorFlow reads this variable once, while it loads."""

_NOTE = re.compile(
    rb"[IW]\d{4} |\d{4}-\d\d-\d\d .*: [IW] |WARNING: All log messages before absl::InitializeLog|"
    rb"To enable the following instructions: "
)
_RELATIVE_IMPORT = re.compile(rb"^\s*from\s+\.", re.MULTILINE)

_loading: ContextVar[bool] = ContextVar("loading", default=False)
"""Whether a job's file is being loaded."""


class _StudyStarts(BaseException):
    """A job's file starts a study while it is loaded."""


class SourceText(importlib.abc.SourceLoader):
    """A loader that runs a file's text and keeps it: the text that is hashed and copied later is the text that ran.

    It writes no bytecode: a study's folder may be read-only, and a stale cache would run other code than was checked.
    """

    def __init__(self, path: Path, content: bytes, *, of_study: bool = False) -> None:
        self._path, self.content, self.of_study = path, content, of_study

    def get_filename(self, fullname: str) -> str:
        """The path of the file."""
        return str(self._path)

    def get_data(self, path: str | bytes) -> bytes:
        """The text."""
        return self.content


def content_of(home: Mapping[str, Any]) -> bytes | None:
    """The text of the file from which a module was loaded; None if there is none."""
    loader, file = getattr(home.get("__spec__"), "loader", None), home.get("__file__")
    if isinstance(loader, SourceText):
        return loader.content
    return Path(file).read_bytes() if file and Path(file).is_file() else None


def is_of_study(home: Mapping[str, Any]) -> bool:
    """Whether a module was run from a study's copy of its text."""
    loader = getattr(home.get("__spec__"), "loader", None)
    return isinstance(loader, SourceText) and loader.of_study


def end_loading() -> None:
    """Skip the rest of a job's file that is being loaded, as it starts its own study; no effect if none is."""
    if _loading.get():
        raise _StudyStarts


@contextmanager
def script_arguments(path: Path, arguments: Sequence[str] = ()) -> Iterator[None]:
    """A context in which `sys.argv` is the command line of a script, not that of `tunepipe` or of Ray's worker."""
    before, sys.argv = sys.argv, [str(path), *arguments]
    try:
        yield
    finally:
        sys.argv = before


@contextmanager
def same_random_numbers(seed: int = 0) -> Iterator[None]:
    """A context in which the generators of Python and NumPy begin at the same numbers; they get their states back.

    A layer without a seed at the top of a file draws one, and workers would otherwise train with different ones.
    """
    import numpy as np

    python, numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def without_notes(*, gpus: bool = True) -> Iterator[None]:
    """Keep TensorFlow's notes off stderr while it loads, unless TF_CPP_MIN_LOG_LEVEL asks for them."""
    level = os.environ.get(_LEVEL)
    if level in ("0", "1"):
        yield
        return
    os.environ.setdefault(_LEVEL, "2")
    sys.stderr.flush()
    kept = os.dup(2)
    with TemporaryFile() as spool:
        os.dup2(spool.fileno(), 2)
        try:
            yield
        finally:
            if level is None:
                os.environ.pop(_LEVEL, None)
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            spool.seek(0)
            for line in spool:
                if not _NOTE.match(line) and (gpus or b"cuInit" not in line):
                    os.write(2, line)


def quiet_retracing() -> None:
    """Keep TensorFlow from warning that Keras traces its training again: it does so for the model of each trial."""
    logging.getLogger("tensorflow").addFilter(_is_no_retracing)


def _is_no_retracing(record: logging.LogRecord) -> bool:
    return not re.search("(?s)triggered tf.function retracing.*TensorFlowTrainer", record.getMessage())


def is_file(path: Path) -> bool:
    """Whether a path is an existing file; false for a name that no file can have."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises for a name that is too long


def expanded(file: str) -> Path:
    """The path of a job file, with the home folder of a user for `~`."""
    try:
        return Path(file).expanduser()
    except RuntimeError as error:
        raise JobNotFound(f"There is no job file {file}: {error}") from None


def split_job_name(job: str) -> tuple[str, str]:
    """The file of a job, and the name in it with its colon: `file.py:name` has `file.py`, `:name`."""
    file, colon, name = job.rpartition(":")
    return (file, f":{name}") if colon and file.endswith(".py") else (job, "")


def load_module(path: Path) -> ModuleType:
    """Run a job file as a module.

    It is a script, which imports the modules next to it by their own names. A file of a package that imports relative
    to it is a module of the package instead, as for `python -m package.job`.
    """
    try:
        path = path.resolve()
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise JobNotFound(f"There is no job file {path} that can be read: {reason}.") from None
    if path.suffix != ".py":
        raise JobNotFound(f"{path} is not a Python file. A job is a .py file that exports JOB, a TuneJob.")
    root, name = path.parent, path.stem
    if _RELATIVE_IMPORT.search(content) and (root / "__init__.py").is_file():
        root = next(folder for folder in path.parents if not (folder / "__init__.py").is_file())
        name = ".".join(path.relative_to(root).with_suffix("").parts)
    _refuse_name(path, name if root == path.parent else name.partition(".")[0], root)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return run_file(path, name, content)


def run_file(
    path: Path, name: str, content: bytes, *, arguments: Sequence[str] = (), of_study: bool = False
) -> ModuleType:
    """Run a text as the module of a file, after the packages that contain it; one that fails is not registered."""
    package, _, last = name.rpartition(".")
    if not f"/{path.with_suffix('')}".endswith(f"/{name.replace('.', '/')}"):
        package = ""  # a job file with dots in its name
    previous = sys.modules.pop(name, None)
    token = _loading.set(True)
    has_driver = Path("/proc/driver/nvidia").exists()
    quiet = nullcontext() if "tensorflow" in sys.modules else without_notes(gpus=has_driver)
    try:
        with quiet, script_arguments(path, arguments), same_random_numbers():
            importlib.invalidate_caches()
            if package:
                parent = importlib.import_module(package)
                if name in sys.modules:
                    # The package itself has imported it.
                    return sys.modules[name]
            loader = SourceText(path, content, of_study=of_study)
            spec = importlib.util.spec_from_file_location(name, path, loader=loader)
            assert spec is not None
            module = sys.modules[name] = importlib.util.module_from_spec(spec)
            with suppress(_StudyStarts):
                loader.exec_module(module)
            if package:
                setattr(parent, last, module)
            return module
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        sys.modules.pop(name, None)
        if previous is not None:
            sys.modules[name] = previous
        if isinstance(error, InvalidJob | KeyboardInterrupt):
            raise
        raise InvalidJob(f"job file {path}", [_job_fault(error, path)]) from error
    finally:
        _loading.reset(token)


def _refuse_name(path: Path, top: str, root: Path) -> None:
    """Refuse a file that hides a module which others import, or whose copy could not have the same name."""
    installed = [entry for entry in sys.path if any(part in INSTALLED for part in Path(entry).parts)]
    if not path.stem.isprintable() or path.stem.startswith(".") or len(os.fsencode(path.stem)) > _MAX_NAME_BYTES:
        must = f"must have a name of at most {_MAX_NAME_BYTES} printable bytes that begins with no dot: rename it"
    elif top in {*sys.stdlib_module_names, *OWN_PACKAGES, "__main__"} or (
        importlib.machinery.PathFinder.find_spec(top, installed) is not None and str(root) not in installed
    ):
        must = f"must not have the name of the module {top}, which others import: rename it"
    else:
        return
    raise InvalidJob("the job file", [Fault("file", path.name, must)])


def _job_fault(error: BaseException, path: Path) -> Fault:
    """The reason why a job's file cannot be run, with the line."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == str(path) else line
        trace = trace.tb_next
    try:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:  # it is the user's own class
        text = "an error that cannot be shown"
    found = f"{type(error).__name__}: {text}" + (f" (line {line})" if line else "")
    return Fault("file", found, _ENDS if isinstance(error, SystemExit) else "must run as Python")
