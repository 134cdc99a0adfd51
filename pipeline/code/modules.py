"""Job files and their copies as modules: run once, under their own name, with the text that is hashed and copied.

Also which files, and which frames of a traceback, are the user's code, and not that of tunepipe, Python or a library.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import logging
import os
import random
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from contextvars import ContextVar
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from types import ModuleType
from typing import Any

from pipeline.errors import Fault, InvalidJob, JobNotFound

INSTALLED = ("site-packages", "dist-packages")
"""Folders of installed packages, on any machine."""

_LONGEST_MESSAGE = 10_000
"""Characters of an error's message that are shown and stored."""

OWN_PACKAGES = ("pipeline", "tune_jobs")
"""Packages of tunepipe itself, which are not the user's: a study records its version."""

_OWN_FOLDER = Path(__file__).parents[1]
_PYTHON = re.compile(r"/lib(64)?/python\d[\d.]*/|^<")
_FRAME = re.compile(
    r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>.+?)\s*\*?$(?:\n {4,}(?P<code>\S.*))?',
    re.MULTILINE,
)

_MAX_NAME_BYTES = 200
"""Temporary names of files are longer than their final names."""

_NOTE = re.compile(
    rb"[IW]\d{4} |\d{4}-\d\d-\d\d .*: [IW] |WARNING: All log messages before absl::InitializeLog|"
    rb"To enable the following instructions: "
)

_loading: ContextVar[bool] = ContextVar("loading", default=False)


class _StudyStarts(BaseException):
    """A job's file starts a study while it is loaded."""


class SourceText(importlib.abc.SourceLoader):
    """A loader that runs a file's text and keeps it: the text that is hashed and copied later is the text that ran.

    It writes no bytecode: a study's folder may be read-only, and a stale cache would run other code than was checked.
    """

    def __init__(self, path: Path, content: bytes) -> None:
        self._path, self.content = path, content

    def get_filename(self, fullname: str) -> str:
        return str(self._path)

    def get_data(self, path: str | bytes) -> bytes:
        return self.content


def content_of(home: Mapping[str, Any]) -> bytes | None:
    loader, file = getattr(home.get("__spec__"), "loader", None), home.get("__file__")
    if isinstance(loader, SourceText):
        return loader.content
    return Path(file).read_bytes() if file and Path(file).is_file() else None


def end_loading() -> None:
    """Skip the rest of a job's file that is being loaded, as it starts its own study; no effect if none is."""
    if _loading.get():
        raise _StudyStarts


@contextmanager
def script_arguments(path: Path, arguments: Sequence[str] = ()) -> Iterator[None]:
    before, sys.argv = sys.argv, [str(path), *arguments]
    try:
        yield
    finally:
        sys.argv = before


@contextmanager
def same_random_numbers() -> Iterator[None]:
    """A context in which the generators of Python and NumPy begin at the same numbers; they get their states back.

    A layer without a seed at the top of a file draws one, and workers would otherwise train with different ones.
    """
    import numpy as np

    python, numpy = random.getstate(), np.random.get_state()
    random.seed(0)
    np.random.seed(0)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def without_notes() -> Iterator[None]:
    """Keep TensorFlow's notes off stderr while it loads, unless TF_CPP_MIN_LOG_LEVEL asks for them."""
    # TensorFlow reads this variable once, while it loads.
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2") in ("0", "1") or sys.stderr is None:
        yield
        return
    has_driver = Path("/proc/driver/nvidia").exists()
    sys.stderr.flush()
    kept = os.dup(2)
    with TemporaryFile() as spool:
        os.dup2(spool.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            spool.seek(0)
            for line in spool:
                if not _NOTE.match(line) and (has_driver or b"cuInit" not in line):
                    os.write(2, line)


def quiet_retracing() -> None:
    """Keep TensorFlow from warning that Keras traces its training again: it does so for the model of each trial."""
    retracing = re.compile("(?s)triggered tf.function retracing.*TensorFlowTrainer")
    logging.getLogger("tensorflow").addFilter(lambda record: not retracing.search(record.getMessage()))


def expanded(file: str) -> Path:
    """The path of a job file, with the home folder of a user for `~`."""
    return Path(os.path.expanduser(file))  # noqa: PTH111 - Path.expanduser raises for a user who does not exist


def split_job_name(job: str) -> tuple[str, str]:
    """The file of a job, and the name in it with its colon: `file.py:name` has `file.py`, `:name`."""
    file, colon, name = job.rpartition(":")
    return (file, f":{name}") if colon and file.endswith(".py") else (job, "")


def load_module(path: Path) -> ModuleType:
    """Run a job file. It is a script, which imports the modules next to it by their own names."""
    try:
        path = path.resolve()
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise JobNotFound(f"Cannot read the job file {path}: {getattr(error, 'strerror', None) or error}.") from None
    if path.suffix != ".py":
        raise JobNotFound(f"{path} is not a Python file. A job is a .py file that exports JOB, a TuneJob.")
    refuse_name(path)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    return run_file(path, path.stem, content)


def run_file(path: Path, name: str, content: bytes, arguments: Sequence[str] = ()) -> ModuleType:
    """Run a text as the module of a file, a script with arguments; one that fails is not registered."""
    previous = sys.modules.get(name)
    loader = SourceText(path, content)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        with loading(path, arguments):
            loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        if previous is not None:
            sys.modules[name] = previous
        raise
    return module


@contextmanager
def loading(path: Path, arguments: Sequence[str] = ()) -> Iterator[None]:
    """A context in which a file of a job's code is loaded; its errors are faults of the job."""
    token = _loading.set(True)
    quiet = nullcontext() if "tensorflow" in sys.modules else without_notes()
    try:
        # A command's standard output is for its result, which may be JSON.
        with quiet, redirect_stdout(sys.stderr), script_arguments(path, arguments), same_random_numbers():
            importlib.invalidate_caches()
            with suppress(_StudyStarts):
                yield
    except InvalidJob:
        raise
    except (Exception, SystemExit, GeneratorExit) as error:
        raise InvalidJob(f"job file {path}", [_job_fault(error, path)]) from error
    finally:
        _loading.reset(token)


def refuse_name(path: Path) -> None:
    """Refuse a file that hides a module which others import, or whose copy could not have the same name."""
    name, folder = path.stem, str(path.parent)
    installed = [entry for entry in sys.path if any(part in INSTALLED for part in Path(entry).parts)]
    if not name.isprintable() or name.startswith(".") or len(os.fsencode(name)) > _MAX_NAME_BYTES:
        must = f"must have a name of at most {_MAX_NAME_BYTES} printable bytes that begins with no dot: rename it"
    elif name in {*sys.stdlib_module_names, *OWN_PACKAGES, "__main__"} or (
        folder not in installed
        and "." not in name
        and importlib.machinery.PathFinder.find_spec(name, installed) is not None
    ):
        must = f"must not have the name of the module {name}, which others import: rename it"
    else:
        return
    raise InvalidJob("the job file", [Fault("file", path.name, must)])


def _job_fault(error: BaseException, path: Path) -> Fault:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) else None
    line = lines[-1] if lines else line
    text = f"{type(error).__name__}: {error.msg}" if isinstance(error, SyntaxError) else sentence_of(error)
    allowed = "must run as Python"
    if isinstance(error, ModuleNotFoundError):
        allowed += " with what it imports installed (in an image: docs/kubernetes-reference.md#images)"
    if isinstance(error, SystemExit):
        allowed = "must not end the process: give arguments a default, or parse them below `if __name__ == ...`"
    return Fault("file", text + (f" (line {line})" if line else ""), allowed)


def names_in(module: Any) -> dict[str, Any]:
    """A module's names, without loading one whose import is postponed, such as what Keras imports of scikit-learn."""
    try:
        names: dict[str, Any] = object.__getattribute__(module, "__dict__")
    except AttributeError:
        return {}
    return names


def is_user_file(file: str) -> bool:
    """Whether a file is the user's, by its path: the study may come from another machine."""
    _, own, rest = file.rpartition(f"/{_OWN_FOLDER.name}/")
    ours, installed = _OWN_FOLDER / rest, any(part in INSTALLED for part in PurePosixPath(file).parts)
    # Of pathlib, a path that may not be looked at is an error.
    of_tunepipe = own and os.path.isfile(ours) and (Path(file) == ours or not os.path.exists(file))  # noqa: PTH110, PTH113
    return not (installed or of_tunepipe or _PYTHON.search(file))


def user_frame(text: str) -> re.Match[str] | None:
    """The innermost frame of the user's code in a traceback: its `file`, `line`, `function` and `code`."""
    frames = [frame for frame in _FRAME.finditer(text) if is_user_file(frame["file"])]
    return frames[-1] if frames else None


def sentence_of(error: BaseException) -> str:
    """An error's class and message: the class may be the user's own, and a message may have megabytes."""
    name = type(error).__name__
    try:
        text = str(error)
    except BaseException:
        return f"{name}: an error that cannot be shown"
    if text.startswith("in user code:") and (frames := list(_FRAME.finditer(text))):
        # TensorFlow puts the frames of what it traces into the message.
        text = text[frames[-1].end() :].strip().removeprefix(f"{name}: ")
    return f"{name}: {text[:_LONGEST_MESSAGE]}" if text else name


def error_text(error: BaseException) -> str:
    """The traceback of an error, as Python prints it, from the first frame of the user's code on."""
    trace = error.__traceback__
    while trace is not None and not is_user_file(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace or error.__traceback__)
    return "".join(f"{line[:_LONGEST_MESSAGE].rstrip()}\n" for line in lines)
