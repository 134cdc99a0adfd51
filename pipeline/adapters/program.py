"""A program written for another library, run up to the call that would start its tuning.

The arguments of that call are kept; the call itself ends the program. Names that the program has defined by then stay.
"""

import contextlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, TypeAlias

from pipeline.code.modules import is_user_file, same_random_numbers, script_arguments, sentence_of
from pipeline.errors import Fault, InvalidJob, UserError

Patches: TypeAlias = Callable[[], AbstractContextManager[None]]
"""Makes a context in which the calls of a library that start a tuning end the program."""


class ProgramEnd(BaseException):
    """Ends a program at the call that would start its tuning. No `except Exception` of the program stops it."""


@dataclass(frozen=True, slots=True)
class Call:
    """The call that would have started the tuning: what is tuned, with which arguments, in which line."""

    target: Any
    arguments: Mapping[str, Any]
    line: str


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the user's as a module, and the call that ended it; None if it has run to its end."""

    name: str
    module: ModuleType
    call: Call | None


_LOADED: dict[str, Program] = {}
_RECORDING: list[list[Call]] = []
"""The calls of each program that is running, the innermost last."""


def end_program(target: Any, arguments: Mapping[str, Any], *, now: bool = True) -> None:
    """Keep the call that starts the tuning, and end the program unless a later call says more; else no effect."""
    if _RECORDING:
        _RECORDING[-1].append(Call(target, arguments, user_place()))
        if now:
            raise ProgramEnd


def load(path: Path, patches: Patches) -> Program:
    """Run a file as a program: what it has under `if __name__ == "__main__":` runs, too."""
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        # As Python does for a script.
        sys.path.insert(0, folder)
    _LOADED.pop(path.stem, None)
    return running(path.stem, patches, path.resolve())


def running(name: str, patches: Patches, path: Path | None = None) -> Program:
    """The program in a module, which runs unless it has run in this process."""
    if name in _LOADED and _LOADED[name].module is sys.modules.get(name):
        return _LOADED[name]
    spec = importlib.util.find_spec(name) if path is None else importlib.util.spec_from_file_location(name, path)
    main = None if spec is None else importlib.util.spec_from_file_location("__main__", spec.origin)
    if main is None or main.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    module, file = importlib.util.module_from_spec(main), Path(str(main.origin))
    sys.modules[name] = module
    calls: list[Call] = []
    _RECORDING.append(calls)
    try:
        with (
            # KerasTuner's oracle draws the seed that it is not given; a resume needs the same.
            same_random_numbers(),
            patches(),
            script_arguments(file),
            contextlib.redirect_stdout(sys.stderr),
            user_errors(f"the file {file.name}"),
            contextlib.suppress(ProgramEnd),
        ):
            main.loader.exec_module(module)
    finally:
        _RECORDING.pop()
        module.__name__, module.__spec__ = name, spec
        for value in vars(module).values():
            if (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ == "__main__":
                value.__module__ = name
    _LOADED[name] = Program(name, module, calls[-1] if calls else None)
    return _LOADED[name]


@contextmanager
def replaced_attributes(values: Iterable[tuple[Any, str, Any]]) -> Iterator[None]:
    """A context in which attributes of modules and classes have other values."""
    with contextlib.ExitStack() as opened:
        for owner, name, value in values:
            opened.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        yield


def user_place() -> str:
    """The line of the user's code that is running, as `file.py, line 3`: the innermost frame outside of libraries."""
    frame: Any = inspect.currentframe()
    while frame.f_back is not None and not is_user_file(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}, line {frame.f_lineno}"


@contextmanager
def user_errors(subject: str) -> Iterator[None]:
    """Within the context, an error of the user's code is one of the job, with its line."""
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_user_file(frame.filename)]
        file, line = (frames[-1].filename, frames[-1].lineno) if frames else ("", 0)
        if isinstance(error, SyntaxError):
            file, line = error.filename or subject, error.lineno
        if not file:
            raise
        fault = Fault(f"{Path(file).name}, line {line}", sentence_of(error), "must run without an error")
        raise InvalidJob(subject, [fault]) from error


class Adapter:
    """The object that a program tunes, as the functions of a job; a subclass for each library.

    `name` is its name in the program, empty for what the program itself tunes.
    """

    library: ClassVar[str]
    """Its name, as `--from` has it."""
    functions: ClassVar[Mapping[str, str]]
    """The job's functions by their names, each with its parameters; a method of the same name has their work."""

    def __init__(self, program: Program, name: str) -> None:
        self.program, self.name = program, name
        self.named = getattr(program.module, name) if name else None
        self.arguments: Mapping[str, Any] = {} if program.call is None else program.call.arguments
        """The arguments of the call that starts the tuning."""
        self.ignored: list[str] = []
        """The names of the program's settings that the job does not have; known after `fields`."""

    @staticmethod
    def patches() -> AbstractContextManager[None]:
        """A context in which the library's calls that start a tuning end the program, and nothing else is written."""
        raise NotImplementedError

    @staticmethod
    def prepare(given: Mapping[str, Any]) -> None:
        """What comes before a program runs, by the given fields of the job."""

    def fields(self, given: Mapping[str, Any], subject: str) -> dict[str, Any]:
        """The fields of a job, as far as object and call define them; functions by their names. `given` ones count
        more.
        """
        raise NotImplementedError
