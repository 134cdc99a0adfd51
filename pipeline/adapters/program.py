"""A program written for another library, run up to the call that would start its tuning.

The arguments of that call are kept; the call itself ends the program. Names that the program has defined by then stay.
"""

import ast
import contextlib
import importlib.machinery
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, TypeGuard

from pipeline.adapters.user_code import user_errors, user_place
from pipeline.code import content_of, load_module, script_arguments


class ProgramEnd(BaseException):
    """Ends a program at the call that would start its tuning. No `except Exception` of the program stops it."""


@dataclass(frozen=True, slots=True)
class Call:
    """The call that would have started the tuning."""

    target: Any
    arguments: Mapping[str, Any]
    line: str


Patches = Callable[[], AbstractContextManager[None]]
"""Makes a context in which a library's calls record their arguments, and end the program."""


@dataclass(slots=True)
class Program:
    """A program of the user's as a module."""

    module: ModuleType
    patches: Patches
    call: Call | None = None
    _guarded: bool = field(default=False, repr=False)

    def tuning_call(self) -> Call | None:
        """The call that starts the tuning. Code under `if __name__ == "__main__":` runs now if it is needed."""
        if self.call is None and not self._guarded:
            self._guarded = True
            if (body := _guarded_body(self.module)) is not None:
                file = Path(self.module.__file__ or self.module.__name__)
                with (
                    _recording(self.patches, file) as calls,
                    user_errors(f"the file {file}"),
                    contextlib.suppress(ProgramEnd),
                ):
                    _GuardedBody(body).exec_module(self.module)
                self.call = calls[0] if calls else None
        return self.call


class _GuardedBody(InspectLoader):
    """Runs what a program has under `if __name__ == "__main__":`, as its import ran the rest."""

    def __init__(self, body: CodeType) -> None:
        self._body = body

    def get_code(self, fullname: str) -> CodeType:
        """The statements, in place of the whole module."""
        return self._body

    def get_source(self, fullname: str) -> None:
        """The text of the statements is that of the module."""


_LOADED: dict[str, Program] = {}
_RECORDING: list[list[Call]] = []
"""The calls of each program that is running, the innermost last."""


def end_program(target: Any, arguments: Mapping[str, Any]) -> None:
    """Keep the arguments of a call that starts the tuning, and end the program; no effect outside of a program."""
    if _RECORDING:
        _RECORDING[-1].append(Call(target, arguments, user_place()))
        raise ProgramEnd


def register(module: ModuleType, patches: Patches, target: Any, arguments: Mapping[str, Any]) -> None:
    """Make an imported module a program, with the object that a call in it tunes."""
    name = Path(module.__file__ or "").stem if module.__name__ == "__main__" else module.__name__
    sys.modules.setdefault(name, module)
    _LOADED[name] = Program(module, patches, Call(target, arguments, user_place()))


def load(path: Path, patches: Patches) -> Program:
    """Run a file as a program."""
    _LOADED.pop(path.stem, None)
    with _recording(patches, path) as calls, contextlib.suppress(ProgramEnd):
        load_module(path, script=True)
    program = Program(sys.modules[path.stem], patches, calls[0] if calls else None)
    _LOADED[path.stem] = program
    return program


@contextmanager
def running(name: str, patches: Patches) -> Iterator[Callable[[], Program]]:
    """A context in which `import NAME` runs a module as a program."""
    if name in _LOADED and _LOADED[name].module is sys.modules.get(name):
        yield lambda: _LOADED[name]
        return
    finder = _ProgramFinder(name)
    with _recording(patches, Path(f"{name}.py")) as calls:
        sys.meta_path.insert(0, finder)
        try:
            yield lambda: _LOADED[name]
        finally:
            sys.meta_path.remove(finder)
    _LOADED[name] = Program(sys.modules[name], patches, calls[0] if calls else None)


@contextmanager
def _recording(patches: Patches, file: Path) -> Iterator[list[Call]]:
    """A context in which a program runs up to the call that ends it, and which keeps that call.

    The program sees no command line but its own, and prints to standard error.
    """
    import pipeline

    calls: list[Call] = []
    _RECORDING.append(calls)
    names: dict[str, Any] = vars(pipeline)
    before = names.get("run")
    # A program that itself makes a job and calls run ends there.
    names["run"] = lambda *_, **__: end_program(None, {})
    try:
        with patches(), script_arguments(file), contextlib.redirect_stdout(sys.stderr):
            yield calls
    finally:
        _RECORDING.remove(calls)
        if before is None:
            del names["run"]
        else:
            names["run"] = before


def _guarded_body(module: ModuleType) -> Any:
    """The code under `if __name__ == "__main__":`, compiled; None if there is none."""
    source = content_of(vars(module))
    if source is None:
        return None
    body: list[ast.stmt] = []
    for node in ast.parse(source).body:
        if _is_main_guard(node):
            body += node.body
    return compile(ast.Module(body, []), module.__file__ or module.__name__, "exec") if body else None


def _is_main_guard(statement: ast.stmt) -> TypeGuard[ast.If]:
    """Whether a statement is `if __name__ == "__main__":`."""
    if not isinstance(statement, ast.If) or not isinstance(statement.test, ast.Compare):
        return False
    names = {each.id for each in ast.walk(statement.test) if isinstance(each, ast.Name)}
    texts = {each.value for each in ast.walk(statement.test) if isinstance(each, ast.Constant)}
    others = any(isinstance(each, ast.NotEq | ast.NotIn) for each in statement.test.ops)
    return "__name__" in names and "__main__" in texts and not others


class _ProgramFinder(MetaPathFinder):
    """Finds a module as other finders do; a call that ends the program ends the module's import, not its importer."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """What Python's import asks."""
        if fullname != self._name:
            return None
        others = (finder for finder in list(sys.meta_path) if finder is not self)
        spec = next((one for one in (finder.find_spec(fullname, path, target) for finder in others) if one), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _ProgramLoader(spec.loader)
        return spec


class _ProgramLoader(Loader):
    """Loads a module as its own loader does, up to the call that ends the program."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """As the module's own loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """As the module's own loader, which the module gets back."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        with contextlib.suppress(ProgramEnd):
            self._loader.exec_module(module)
