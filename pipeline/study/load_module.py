"""A job's Python file, loaded as a module."""

import importlib.util
import sys
import threading
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType

from pipeline.errors import Fault, InvalidJob, JobNotFound, UsageError
from pipeline.hidden_modules import hidden_behind, what_hides
from pipeline.study.job_file import JobFile, import_package, job_file
from pipeline.study.keras_backend import BACKEND, other_backend
from pipeline.study.keras_names import advice_on_keras_name
from pipeline.study.random_numbers import same_random_numbers
from pipeline.study.script_arguments import script_arguments
from pipeline.study.source_loader import SourceTextLoader
from pipeline.study.tensorflow_messages import quiet_tensorflow

_ENDS = (
    "must not end the process. tunepipe runs the file without arguments: give those that it parses a default, or parse "
    'them under `if __name__ == "__main__":`'
)
_OF_NOTEBOOKS = ("get_ipython", "display")
"""Names that a notebook defines, and that magics become where it is converted to a Python file."""

_loading: ContextVar[bool] = ContextVar("loading", default=False)
"""Whether a job's file is being loaded."""

_threads_before: dict[int, frozenset[int]] = {}
"""Each thread that is loading a job's file → the threads that there were when it began."""


class _StudyStarts(BaseException):
    """A job's file starts a study while it is loaded."""


def end_loading() -> None:
    """Skip the rest of a job's file that is being loaded; no effect if none is.

    A script that defines a job and runs it, without `if __name__ == "__main__":`, would start the study again in each
    worker. All that the job needs is defined before the line that runs it.
    """
    if _loading.get():
        raise _StudyStarts
    if any(threading.get_ident() not in before for before in tuple(_threads_before.values())):
        raise UsageError(
            "A job's file starts a study in a thread while it is loaded, so each worker would start the study again. "
            'Start the thread under `if __name__ == "__main__":`.'
        )


def is_file(path: Path) -> bool:
    """Whether a path is an existing file; false for a name that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


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


def load_module(
    path: Path,
    name: str | None = None,
    content: bytes | None = None,
    *,
    script: bool = False,
    arguments: Sequence[str] = (),
    origin: Path | None = None,
) -> ModuleType:
    """Load a Python file as a module."""
    quiet_tensorflow()
    if not is_file(path):
        raise JobNotFound(f"There is no job file {path}. A job is a .py file that exports JOB, a TuneJob.")
    if path.suffix != ".py":
        raise JobNotFound(f"{path} is not a Python file. A job is a .py file that exports JOB, a TuneJob.")
    path = path.resolve()
    try:
        loader = SourceTextLoader(path, content)
    except OSError as error:
        raise JobNotFound(f"The job file {path} cannot be read: {error.strerror}.") from None
    file = None
    if name is None:
        file = job_file(path, loader.content, script=script)
        name = file.module
        if str(file.folder) not in sys.path:
            sys.path.insert(0, str(file.folder))
    previous = sys.modules.pop(name, None)
    try:
        with script_arguments(path, arguments), same_random_numbers():
            return _run(loader, path, name, file, origin or path)
    except (InvalidJob, KeyboardInterrupt):
        _put_back(name, previous)
        raise
    except (Exception, SystemExit) as error:
        _put_back(name, previous)
        raise InvalidJob(f"job file {path}", [job_fault(error, path)]) from error


def _run(loader: SourceTextLoader, path: Path, name: str, file: JobFile | None, origin: Path) -> ModuleType:
    """The module of a file, run and registered under its name."""
    package = None
    if file is not None:
        import_package(file)
        if (imported := sys.modules.get(name)) is not None:
            # The package itself has imported it.
            return imported
        package = sys.modules.get(file.package)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None:
        raise JobNotFound(f"{path} cannot be loaded as a Python file.")
    spec.origin = str(origin)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    token, thread = _loading.set(True), threading.get_ident()
    outer = _threads_before.get(thread)
    _threads_before[thread] = outer or frozenset(each.ident or 0 for each in threading.enumerate())
    try:
        loader.exec_module(module)
    except _StudyStarts:
        pass
    finally:
        _loading.reset(token)
        if outer is None:
            del _threads_before[thread]
    if package is not None:
        setattr(package, path.stem, module)
    return module


def _put_back(name: str, previous: ModuleType | None) -> None:
    if previous is None:
        sys.modules.pop(name, None)
    else:
        sys.modules[name] = previous


def job_fault(error: BaseException, path: Path) -> Fault:
    """The reason why a job's file cannot be run, with the line."""
    line = _line(error, path)
    try:
        if found := other_backend(error):
            return Fault("keras", found, BACKEND)
        text = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:  # it is the user's own class
        text = "an error that cannot be shown"
    found = f"{type(error).__name__}: {text}" + (f" (line {line})" if line else "")
    if hidden := hidden_behind(error):
        return Fault("file", found, f"must run as Python, and {what_hides(hidden)}: rename that file")
    if isinstance(error, SystemExit):
        return Fault("file", found, _ENDS)
    return Fault("file", found, f"must run as Python{_remedy(error)}")


def _remedy(error: BaseException) -> str:
    """What to do about a file, a module or a name of Keras that is not found; empty for another error."""
    here = Path.cwd()
    if isinstance(error, FileNotFoundError) and isinstance(error.filename, str):
        if not Path(error.filename).is_absolute():
            return f", and the path is relative to the current folder, {here}: run tunepipe in the folder that has it"
        return ""
    if isinstance(error, NameError) and error.name in _OF_NOTEBOOKS:
        return ", and only a notebook has that name: remove the lines that the conversion made of the notebook's magics"
    if advice := advice_on_keras_name(error):
        return f", and {advice}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.partition(".")[0]
        if (here / top).is_dir() or (here / f"{top}.py").is_file():
            return (
                f", and {top} is in the current folder, which Python does not search: set PYTHONPATH=. or install "
                "it, for example with pip install -e ."
            )
    return ""


def _line(error: BaseException, path: Path) -> int | None:
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
