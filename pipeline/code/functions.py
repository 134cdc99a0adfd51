"""A user's function as an identity: the module that has it, its name there, and the digest of the module's file.

In JSON a function is `{"function": "module:name", "sha256": "…"}`. A function without a file, typed into a notebook
or a prompt, is known by what it does, and is found again only where it is typed again.
"""

import ast
import functools
import hashlib
import inspect
import re
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, PlainSerializer, PlainValidator, ValidationInfo

from pipeline.code.frames import INSTALLED, is_tunepipe_file, is_user_file
from pipeline.code.modules import content_of, is_of_study

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)

_REFERENCE = re.compile(r"([^/\x00-\x1f\x7f]+):([\w.<>]+)")
"""A job file may have any name, so a module's name has, too."""


@dataclass(frozen=True, slots=True)
class UnloadedFunction:
    """A placeholder for a function that is not loaded: reading a study's results runs none of its code."""

    function: str
    sha256: str | None

    @property
    def __name__(self) -> str:
        return self.function.rpartition(":")[2]

    def __call__(self, *args: object) -> None:
        """Refuse a call."""
        raise TypeError(f"{self.function} is not loaded: nothing that is defined here is the function of the study")


def digest_of(content: bytes | None) -> str | None:
    """The SHA-256 of a source; None if there is none."""
    return None if content is None else hashlib.sha256(content).hexdigest()


def as_function(value: object) -> Callable[..., Any] | None:
    """A value as a function that has a name; None if it is none that Python code defines."""
    if isinstance(value, FunctionType):
        return value
    if isinstance(value, MethodType):
        return value if isinstance(python_function(value), FunctionType) else None
    if isinstance(value, functools.partial):
        if hasattr(value, "__qualname__") and isinstance(python_function(value), FunctionType):
            return value
        inner = as_function(value.func)
        return None if inner is None else _named(functools.partial(inner, *value.args, **value.keywords))
    call = getattr(type(value), "__call__", None)  # noqa: B004
    if isinstance(value, type) or not isinstance(call, FunctionType):
        return None
    file = inspect.unwrap(call).__code__.co_filename
    library = any(part in INSTALLED for part in PurePosixPath(file).parts)
    return None if library or is_tunepipe_file(file) else as_function(value.__call__)  # type: ignore[operator]


def _named(call: "functools.partial[Any]") -> Callable[..., Any]:
    inner = python_function(call)
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(call, name, getattr(inner, name))
    return call


def python_function(function: Callable[..., Any]) -> Any:
    """What a function, a method or a partial call runs in the end: a function with code and globals."""
    inner: Any = function
    while True:
        if isinstance(inner, functools.partial):
            inner = inner.func
        elif isinstance(inner, MethodType):
            inner = inner.__func__
        elif hasattr(inner, "__wrapped__"):
            inner = inspect.unwrap(inner)
        else:
            return inner


def takes_argument(function: Callable[..., Any]) -> bool:
    """Whether a function can be called with the config; a `build_model()` without parameters cannot."""
    parameters = _parameters(function)
    takes = (*_POSITIONAL, inspect.Parameter.VAR_POSITIONAL)
    return parameters is None or any(parameter.kind in takes for parameter in parameters)


def takes_state(function: Callable[..., Any]) -> bool:
    """Whether a job's function is `f(config, state)`: its second parameter is required, or called `state`."""
    positional = [parameter for parameter in _parameters(function) or () if parameter.kind in _POSITIONAL]
    second = positional[1] if len(positional) > 1 else None
    return second is not None and (second.default is inspect.Parameter.empty or second.name == "state")


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """The parameters of a function; None if they are unknown, as for some built-in functions."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None


def module_of(function: Callable[..., Any]) -> str:
    """The name of the module by which a function is loaded; for `__main__`, that under which it would be imported."""
    return module_named(home_of(function), function)


def module_named(home: Mapping[str, Any], function: Callable[..., Any]) -> str:
    """The name of one of a function's modules; for `__main__`, the name under which it would be imported."""
    # A decorated function has the module's name of the one that it decorates.
    name = function.__module__ if home is _own_home(function) else home.get("__name__")
    return (_script_name(home) if name == "__main__" and not _is_typed(function) else None) or str(name)


def script_of(module: str) -> ModuleType | None:
    """The script that Python runs, if it would be imported under a name; None if another program runs."""
    main = sys.modules["__main__"]
    return main if _script_name(vars(main)) == module else None


def _script_name(home: Mapping[str, Any]) -> str | None:
    file, spec = home.get("__file__"), home.get("__spec__")
    # A script from stdin has no file, whatever its `__file__` is.
    if not file or file.startswith("<"):
        return None
    # With `python -m package.module` Python knows the module's name; a script has only the file's name.
    return str(spec.name) if spec is not None else Path(file).stem


def in_script(function: Callable[..., Any]) -> bool:
    """Whether a function is defined by the script that Python runs, not by a module or a notebook."""
    home = home_of(function)
    return home.get("__name__") == "__main__" and "__file__" in home and not _is_typed(function)


def from_study(function: Callable[..., Any]) -> bool:
    """Whether a function was loaded from a study's copy of its source."""
    return is_of_study(home_of(function))


def source_of(function: Callable[..., Any]) -> bytes | None:
    """The content of the file by which a function is loaded; None if there is none (a notebook, a prompt)."""
    return None if _is_typed(function) else content_of(home_of(function))


def same_code(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    """Whether two functions have one name and equal source files, regardless of comments and layout."""
    if one is other:
        return True
    if isinstance(one, UnloadedFunction) or isinstance(other, UnloadedFunction):
        return False
    sources = source_of(one), source_of(other)
    if one.__qualname__ != other.__qualname__ or sources[0] is None or sources[1] is None:
        return False
    return same_text(sources[0], sources[1])


def same_text(one: bytes, other: bytes) -> bool:
    """Whether two sources are equal, regardless of comments and layout."""
    try:
        return one == other or ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def is_loadable(function: Callable[..., Any]) -> bool:
    """Whether a function can be loaded again: a file has a name for it."""
    return not _is_typed(function) and source_of(function) is not None and qualified_name(function) is not None


def notebook_functions() -> list[Callable[..., Any]]:
    """The functions that are typed into the running notebook or prompt, those of its jobs included."""
    return [
        each
        for value in list(vars(sys.modules["__main__"]).values())
        for each in _functions_in(value).values()
        if isinstance(each, FunctionType | MethodType | functools.partial)
        and each.__module__ == "__main__"
        and not is_loadable(each)
    ]


def _is_typed(function: Callable[..., Any]) -> bool:
    """Whether a function's code was typed in: that of a notebook's cell may have a file's name, of no other file."""
    file = getattr(getattr(python_function(function), "__code__", None), "co_filename", "")
    return file.startswith("<") or Path(file).parent.name.startswith("ipykernel_")


def qualified_name(function: Callable[..., Any]) -> str | None:
    """The name by which a module has a function whenever it is imported: its own, a variable's, or `JOB.model`."""
    return _name_in(home_of(function), function)


def home_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The globals of the module by which a function is loaded: that which defines it, or else another whose job has it.

    `sys.modules` may contain another version of that module.
    """
    own = _own_home(function)
    if not own or _is_typed(function) or _name_in(own, function) is not None:
        return own
    modules = [getattr(module, "__dict__", {}) for module in list(sys.modules.values())]
    homes = [home for home in modules if isinstance(file := home.get("__file__"), str) and is_user_file(file)]
    return next((home for home in homes if _name_in(home, function, jobs=True) is not None), own)


def homes_of(function: Callable[..., Any]) -> list[dict[str, Any]]:
    """The globals of the modules that a function needs: of that which loads it, then of that which defines it."""
    homes = [home_of(function), _own_home(function)]
    return homes[:1] if homes[0] is homes[1] else homes


def _own_home(function: Callable[..., Any]) -> dict[str, Any]:
    return getattr(python_function(function), "__globals__", {})


def _functions_in(value: object) -> dict[str, Any]:
    """A value by the empty path, and, if it is a job, its functions by the paths of their fields."""
    fields = getattr(value, "functions", None) if isinstance(value, BaseModel) else None
    return {"": value, **(fields if isinstance(fields, dict) else {})}


def _name_in(home: Mapping[str, Any], function: Callable[..., Any], *, jobs: bool = False) -> str | None:
    """The name by which a module has a function whenever it is imported; None if there is none."""
    if not jobs and named_in(home, function.__qualname__) is function:
        return str(function.__qualname__)
    for name, value in list(home.items()):
        for path, each in _functions_in(value).items():
            # A variable that is set below `if __name__ == "__main__":` is indented.
            if each is function and (path or not jobs) and _assigns(content_of(home), name):
                return f"{name}.{path}" if path else name
    return None


def _assigns(source: bytes | None, name: str) -> bool:
    return re.search(rb"^%s\b[^\n=]*=" % re.escape(name.encode()), source or b"", re.MULTILINE) is not None


def named_in(home: Mapping[str, Any], qualified_name: str) -> Any:
    """The object with a qualified name among the globals of a module; None if there is none."""
    first, *rest = qualified_name.split(".")
    value = home.get(first)
    for part in rest:
        if part.isdigit() and isinstance(value, tuple):
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = getattr(value, part, None)
    return value


def reference_to(function: Callable[..., Any]) -> dict[str, str | None]:
    """A function in JSON."""
    if isinstance(function, UnloadedFunction):
        return {"function": function.function, "sha256": function.sha256}
    if is_loadable(function):
        name = f"{module_of(function)}:{qualified_name(function)}"
        return {"function": name, "sha256": digest_of(source_of(function))}
    name = f"{module_of(function)}:{function.__qualname__}"
    return {"function": name, "sha256": None, "bytecode_sha256": _code_digest(python_function(function).__code__)}


def _code_digest(code: CodeType) -> str:
    """What code does by itself: not what the functions and values do that it uses."""
    constants = [_code_digest(each) if isinstance(each, CodeType) else repr(each) for each in code.co_consts]
    parts = (code.co_code.hex(), code.co_names, code.co_varnames, code.co_freevars, constants)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _resolve(reference: Any, info: ValidationInfo) -> Callable[..., Any]:
    """The function of a field: a function itself, or one that JSON names, found by the reader of the job."""
    if isinstance(reference, UnloadedFunction):
        return reference
    if (function := as_function(reference)) is not None:
        return function
    if not isinstance(reference, Mapping):
        raise ValueError("must be a function, defined with def or lambda")
    name, digest = reference.get("function"), reference.get("sha256")
    parts = _REFERENCE.fullmatch(name) if isinstance(name, str) else None
    if parts is None or not isinstance(digest, str | None) or set(reference) - _KEYS:
        raise ValueError('must be {"function": "module:name", "sha256": "…"}')
    context = info.context or {}
    if not context.get("load", True):
        return UnloadedFunction(parts[0], digest)
    typed = "sha256" in reference and digest is None
    if typed or "<" in parts[2] or parts[1] == "__main__":
        return _typed_again(dict(reference), context.get("here", ()), placeholder=context.get("placeholders", False))
    found = as_function(named_in(vars(context["module"](parts[1], reference)), parts[2]))
    if found is None:
        raise ValueError(f"must be a function of {parts[1]}, and there is no {parts[2]} in it")
    return found


_KEYS = {"function", "sha256", "bytecode_sha256"}


def _typed_again(
    reference: dict[str, Any], here: Collection[Callable[..., Any]], *, placeholder: bool
) -> Callable[..., Any]:
    """The function without a file that does the same as one of a study, of those that are typed here."""
    known = [(function, reference_to(function)) for function in here]
    # All lambdas of a notebook have one name.
    for function, each in known:
        if each == reference:
            return function
    if placeholder or any(each["function"] == reference["function"] for _, each in known):
        return UnloadedFunction(reference["function"], reference.get("sha256"))
    raise ValueError(
        "is defined in a notebook, a prompt or another function, and cannot be loaded from a file: where the same "
        "functions are defined, run(JOB, resume=True) continues"
    )


def _resolve_data(value: Any, info: ValidationInfo) -> Callable[..., Any] | str:
    if isinstance(value, str):
        if not value.strip():
            raise ValueError("must not be empty: a data set's name, a function or the path of a Parquet file")
        return value
    if isinstance(value, Mapping | UnloadedFunction) or as_function(value) is not None:
        return _resolve(value, info)
    raise ValueError("must be a data set's name, the path of a Parquet file, or a function that returns a Dataset")


def value_or_code(read: Callable[[Any], Any]) -> tuple[PlainValidator, PlainSerializer]:
    """Annotations of a field that is a value, or a function of the config that returns one."""

    def validate(value: Any, info: ValidationInfo) -> Any:
        is_code = as_function(value) is not None or (isinstance(value, Mapping) and "function" in value)
        return _resolve(value, info) if is_code or isinstance(value, UnloadedFunction) else read(value)

    return PlainValidator(validate), PlainSerializer(_written)


def _written(value: Any) -> Any:
    return reference_to(value) if callable(value) else value


Code: TypeAlias = Annotated[Callable[..., Any], PlainValidator(_resolve), PlainSerializer(_written)]
"""A function of the user's, as a field of a job."""

Data: TypeAlias = Annotated[Callable[..., Any] | str, PlainValidator(_resolve_data), PlainSerializer(_written)]
"""A data set's name, a Parquet file's path, or a function of the user's, as a field of a job."""
