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
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, TypeAlias

from pipeline.code import is_tunepipe_file, is_user_file, script_arguments
from pipeline.errors import Fault, InvalidJob, UserError

Patches: TypeAlias = Callable[[], AbstractContextManager[None]]
"""Makes a context in which the calls of a library that start a tuning end the program."""


class ProgramEnd(BaseException):
    """Ends a program at the call that would start its tuning. No `except Exception` of the program stops it."""


@dataclass(frozen=True, slots=True)
class Call:
    """The call that would have started the tuning."""

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
    """Keep the arguments of a call that starts the tuning, and end the program; no effect outside of a program.

    Args:
        target: What is tuned.
        arguments: The arguments of the call; those of a later call replace them.
        now: Whether the program ends here; otherwise it continues, as what follows may say more.
    """
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
    module = importlib.util.module_from_spec(main)
    sys.modules[name] = module
    with recording(patches, Path(str(main.origin))) as calls, contextlib.suppress(ProgramEnd):
        try:
            main.loader.exec_module(module)
        finally:
            module.__name__, module.__spec__ = name, spec
            for value in vars(module).values():
                if getattr(value, "__module__", None) == "__main__" and (
                    inspect.isfunction(value) or inspect.isclass(value)
                ):
                    value.__module__ = name
    _LOADED[name] = Program(name, module, calls[-1] if calls else None)
    return _LOADED[name]


def register(module: ModuleType, target: Any, arguments: Mapping[str, Any]) -> Program:
    """Make an imported module a program, with the object that a call in it tunes."""
    name = Path(module.__file__ or "").stem if module.__name__ == "__main__" else module.__name__
    sys.modules.setdefault(name, module)
    _LOADED[name] = Program(name, module, Call(target, arguments, user_place()))
    return _LOADED[name]


@contextmanager
def recording(patches: Patches, file: Path) -> Iterator[list[Call]]:
    """A context in which a program runs up to the call that ends it, and which keeps that call.

    The program sees no command line but its own, and prints to standard error.
    """
    import pipeline

    calls: list[Call] = []
    _RECORDING.append(calls)
    try:
        with (
            patches(),
            # A program that itself makes a job and calls run ends there.
            replaced_attributes([(pipeline, "run", lambda *_, **__: end_program(None, {}))]),
            script_arguments(file),
            contextlib.redirect_stdout(sys.stderr),
            user_errors(f"the file {file.name}"),
        ):
            yield calls
    finally:
        _RECORDING.remove(calls)


@contextmanager
def replaced_attributes(values: Iterable[tuple[Any, str, Any]]) -> Iterator[None]:
    """A context in which attributes of modules and classes have other values."""
    with contextlib.ExitStack() as opened:
        for owner, name, value in values:
            opened.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        yield


def user_line() -> tuple[str, int]:
    """The file and the line of the user's code that is running: the innermost frame outside of libraries."""
    frame: Any = inspect.currentframe()
    innermost = (frame.f_code.co_filename, frame.f_lineno)
    while frame is not None:
        if is_user_file(frame.f_code.co_filename):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return innermost


def user_place() -> str:
    """The line of the user's code that is running, as `file.py, line 3`."""
    file, line = user_line()
    return f"{Path(file).name}, line {line}"


def refused(subject: str, found: Any, allowed: str) -> InvalidJob:
    """The error for an unsupported call in the running line of the user's code."""
    return InvalidJob(subject, [Fault(user_place(), found, allowed)])


@contextmanager
def user_errors(subject: str) -> Iterator[None]:
    """Within the context, an error of the user's code is one of the job, with its line; a bug of tunepipe stays one."""
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        place = None
        for frame in traceback.extract_tb(error.__traceback__):
            if is_user_file(frame.filename):
                place = f"{Path(frame.filename).name}, line {frame.lineno}"
            elif is_tunepipe_file(frame.filename):
                place = None
        if place is None and isinstance(error, SyntaxError):
            place = f"{Path(error.filename or subject).name}, line {error.lineno}"
        if place is None:
            raise
        try:
            found = f"{type(error).__name__}: {error}"
        except Exception:  # it is the user's own class
            found = f"{type(error).__name__}, an error that cannot be shown"
        raise InvalidJob(subject, [Fault(place, found, "must run without an error")]) from error


class Adapter:
    """The object that a program tunes, as the functions of a job; a subclass for each library.

    Args:
        program: Its program; None for an object without one.
        name: Its name there; empty for what the program itself tunes.
        given: The object itself, without a program.
        call: The arguments of the call that would tune the object, without a program.
    """

    library: ClassVar[str]
    """Its name, as `--from` has it."""
    search: ClassVar[str]
    """The call that starts its search, for a message."""
    functions: ClassVar[Mapping[str, str]]
    """The job's functions by their names, each with its parameters; a method of the same name has their work."""

    def __init__(
        self, program: Program | None, name: str, given: Any = None, call: Mapping[str, Any] | None = None
    ) -> None:
        self.program, self.name = program, name
        self.named = getattr(program.module, name, None) if program is not None and name else given
        self._given_call = call or {}
        self.notes: list[str] = []
        """The settings of the program that the job does not have, a sentence each; known after `fields`."""

    @cached_property
    def call(self) -> Call | None:
        """The call that starts the tuning; None if there is none, or if it tunes another object."""
        call = None if self.program is None else self.program.call
        return call if call is None or not self.name or self.is_tuned_by(call) else None

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The arguments of the call."""
        return self._given_call if self.call is None else self.call.arguments

    @staticmethod
    def patches() -> AbstractContextManager[None]:
        """A context in which the library's calls that start a tuning end the program."""
        raise NotImplementedError

    @staticmethod
    def prepare(given: Mapping[str, Any]) -> None:
        """What comes before a program runs, by the given fields of the job."""

    def is_tuned_by(self, call: Call) -> bool:
        """Whether a call tunes the object with the name."""
        raise NotImplementedError

    def fields(self, given: Mapping[str, Any], subject: str) -> dict[str, Any]:
        """The fields of a job, as far as the object and the call define them; functions by their names.

        Args:
            given: Fields that the caller gives; they take precedence.
            subject: The object in words, for a message.
        """
        raise NotImplementedError

    def is_complete(self, fields: Mapping[str, Any]) -> bool:
        """Whether a worker that imports the file has everything it needs; not what only the caller's fields have."""
        return True


def further_parameters(function: Any) -> list[str]:
    """The parameters without defaults that a function has in addition to its first one."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters[1:] if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
