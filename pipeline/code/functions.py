"""A user's function as an identity: the module that has it, its name there, and the digest of the module's file.

In JSON a function is `{"function": "module:name", "sha256": "…"}`. A function without a file, typed into a notebook
or a prompt, is known by its own code, and is found again only where it is typed again.
"""

import hashlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, PlainSerializer, PlainValidator, ValidationInfo

from pipeline.code.modules import content_of, is_user_file, names_in

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)

_NAME = re.compile(r"[^/\x00-\x1f\x7f]+:[\w.<>]+")
"""A job file may have any name, so a module's name has, too."""


@dataclass(frozen=True, slots=True)
class UnloadedFunction:
    """A function of a study that is only named: reading a study's results runs none of its code."""

    reference: Mapping[str, Any]

    @property
    def __name__(self) -> str:
        return str(self.reference["function"]).rpartition(":")[2]

    def __call__(self, *args: object) -> None:
        raise TypeError(f"{self.reference['function']} is not loaded")


def digest_of(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


def takes_argument(function: Callable[..., Any]) -> bool:
    """Whether a function can be called with the config; a `build_model()` without parameters cannot."""
    with_config = (*_POSITIONAL, inspect.Parameter.VAR_POSITIONAL)
    return any(each.kind in with_config for each in inspect.signature(function).parameters.values())


def takes_state(function: Callable[..., Any]) -> bool:
    """Whether a job's function is `f(config, state)`: its second parameter is required, or called `state`."""
    second = [each for each in inspect.signature(function).parameters.values() if each.kind in _POSITIONAL][1:2]
    return any(each.default is inspect.Parameter.empty or each.name == "state" for each in second)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a function is from, and by what another process finds it again."""

    home: Mapping[str, Any]
    """The globals of the module by which it is loaded: that which defines it, or another whose job has it."""
    module: str
    """That module's name; for `__main__`, the one under which it would be imported."""
    name: str | None
    """The function's name there whenever that is imported; None if there is none."""
    source: bytes | None
    """The content of the module's file; None for what was typed into a notebook or a prompt."""

    @property
    def loadable(self) -> bool:
        """Whether the function can be loaded again: a file has a name for it."""
        return self.source is not None and self.name is not None

    @property
    def in_script(self) -> bool:
        """Whether the script that Python runs defines it, not a module or a notebook."""
        return self.source is not None and self.home.get("__name__") == "__main__"


def origin(function: Callable[..., Any]) -> Origin:
    """Where a function is from. `sys.modules` may contain another version of its module."""
    (home, name), typed = _place(function), _is_typed(function)
    return Origin(home, module_name(home, function), name, None if typed else content_of(home))


def module_name(home: Mapping[str, Any], function: Callable[..., Any]) -> str:
    """The name of one of a function's modules; for `__main__`, the name under which it would be imported."""
    name = home.get("__name__", function.__module__)
    return str((name == "__main__" and not _is_typed(function) and _script_name(home)) or name)


def loaded_module(name: str, reference: Mapping[str, Any]) -> ModuleType:
    """The loaded module of a function that JSON names; ValueError if its file has not the digest that JSON states."""
    # A script that reads its own study would otherwise run a second time, up to its first study.
    main = sys.modules["__main__"]
    loaded = sys.modules.get(name) or (main if _script_name(vars(main)) == name else None)
    digest = reference.get("sha256")
    if loaded is None or digest is None or digest_of(content_of(vars(loaded))) != digest:
        raise ValueError(f"no module {name} is loaded whose file has the sha256 that the study states")
    return loaded


def _script_name(home: Mapping[str, Any]) -> str | None:
    file, spec = home.get("__file__"), home.get("__spec__")
    # A script from stdin has no file, whatever its `__file__` is.
    if not file or file.startswith("<"):
        return None
    # With `python -m package.module` Python knows the module's name; a script has only the file's name.
    return str(spec.name) if spec is not None else Path(file).stem


def _unwrapped(function: Callable[..., Any]) -> Any:
    """The innermost function that decorators wrap; a partial or another callable object has no code of its own."""
    return inspect.unwrap(function, stop=lambda each: not isinstance(getattr(each, "__wrapped__", None), FunctionType))


def _is_typed(function: Callable[..., Any]) -> bool:
    """Whether a function's code was typed in: that of a notebook's cell may have a file's name, of no other file."""
    file = _unwrapped(function).__code__.co_filename
    return file.startswith("<") or Path(file).parent.name.startswith("ipykernel_")


def own_home(function: Callable[..., Any]) -> dict[str, Any]:
    home: dict[str, Any] = _unwrapped(function).__globals__
    return home


def _place(function: Callable[..., Any]) -> tuple[dict[str, Any], str | None]:
    """The home of a function and its name there whenever that is imported: its own, a variable's, or `JOB.model`."""
    own, typed = own_home(function), _is_typed(function)
    if _named_in(own, function.__qualname__) is function:
        return own, function.__qualname__
    modules = map(names_in, list(sys.modules.values()))
    homes = [home for home in modules if isinstance(file := home.get("__file__"), str) and is_user_file(file)]
    for home in [own] if typed else [own, *homes]:
        for name, value in list(home.items()):
            # A variable that is set below `if __name__ == "__main__":` is indented.
            assigned = rb"^%s\b[^\n=]*=" % re.escape(name.encode())
            for path, each in _functions_in(value).items():
                if each is function and (typed or re.search(assigned, content_of(home) or b"", re.MULTILINE)):
                    return home, f"{name}.{path}" if path else name
    return own, None


def _functions_in(value: object) -> dict[str, Any]:
    """A value by the empty path, and, if it is a job, its functions by the paths of their fields."""
    fields = getattr(value, "functions", None) if isinstance(value, BaseModel) else None
    return {"": value, **(fields if isinstance(fields, dict) else {})}


def _named_in(home: Mapping[str, Any], qualified_name: str) -> Any:
    first, *rest = qualified_name.split(".")
    value = home.get(first)
    for part in rest:
        if part.isdigit() and isinstance(value, tuple):
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = getattr(value, part, None)
    return value


def reference_to(function: Callable[..., Any]) -> Mapping[str, Any]:
    if isinstance(function, UnloadedFunction):
        return function.reference
    found = origin(function)
    if found.loadable:
        return {"function": f"{found.module}:{found.name}", "sha256": digest_of(found.source)}
    code = _code_digest(_unwrapped(function).__code__)
    return {"function": f"{found.module}:{found.name or function.__qualname__}", "bytecode_sha256": code}


def _code_digest(code: CodeType) -> str:
    """What code does by itself: not what the functions and values do that it uses."""
    # The order of a frozenset differs from process to process.
    values = [sorted(map(repr, each)) if isinstance(each, frozenset) else each for each in code.co_consts]
    constants = [_code_digest(each) if isinstance(each, CodeType) else repr(each) for each in values]
    parts = (code.co_code.hex(), code.co_names, code.co_varnames, code.co_freevars, constants)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _resolve(value: Any, info: ValidationInfo) -> Callable[..., Any]:
    """The function of a field: a function itself, or one that JSON names, found by the reader of the job."""
    if isinstance(value, FunctionType | UnloadedFunction):
        return value
    if not isinstance(value, Mapping):
        raise ValueError("must be a function, defined with def or lambda")
    name, digest = value.get("function"), value.get("sha256", value.get("bytecode_sha256"))
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not isinstance(digest, str | None):
        raise ValueError('must be {"function": "module:name", "sha256": "…"}')
    context = info.context or {}
    if not context.get("load", True):
        return UnloadedFunction(value)
    module, _, name = name.rpartition(":")
    typed = "bytecode_sha256" in value
    home = vars(sys.modules["__main__"] if typed else context["module"](module, value))
    found = _named_in(home, name)
    if isinstance(found, FunctionType) and (not typed or reference_to(found) == value):
        return found
    if typed:
        raise ValueError(
            "is defined in a notebook, a prompt or another function, and cannot be loaded from a file: where the same "
            "functions are defined, run(JOB, resume=True) continues"
        )
    raise ValueError(f"must be a function of {module}, and there is no {name} in it")


def _resolve_data(value: Any, info: ValidationInfo) -> Callable[..., Any] | str:
    if isinstance(value, FunctionType | Mapping | UnloadedFunction):
        return _resolve(value, info)
    if isinstance(value, str):
        return value
    raise ValueError("must be a data set's name, the path of a Parquet file, or a function that returns a Dataset")


def value_or_code(read: Callable[[Any], Any]) -> tuple[PlainValidator, PlainSerializer]:
    """Annotations of a field that is a value, or a function of the config that returns one."""

    def validate(value: Any, info: ValidationInfo) -> Any:
        is_code = callable(value) or (isinstance(value, Mapping) and "function" in value)
        return _resolve(value, info) if is_code else read(value)

    return PlainValidator(validate), PlainSerializer(_written)


def _written(value: Any) -> Any:
    return reference_to(value) if callable(value) else value


Code: TypeAlias = Annotated[Callable[..., Any], PlainValidator(_resolve), PlainSerializer(_written)]

Data: TypeAlias = Annotated[Callable[..., Any] | str, PlainValidator(_resolve_data), PlainSerializer(_written)]
