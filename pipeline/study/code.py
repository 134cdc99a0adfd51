"""A job's functions as data: how their JSON is written, and how they are loaded again.

In JSON a function is `{"function": "module:name", "sha256": "…"}`. A study keeps a copy of the source next to its
study.json, and a resumed study runs that copy, even if the original has changed since.
"""

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Collection, Mapping
from types import ModuleType
from typing import Annotated, Any, TypeAlias

from pydantic import PlainSerializer, PlainValidator, ValidationInfo

from pipeline.errors import InvalidJob
from pipeline.study.bytecode import bytecode_digest
from pipeline.study.callables import as_function
from pipeline.study.copies import Copies
from pipeline.study.function_names import named_in
from pipeline.study.function_source import (
    UnloadedFunction,
    is_loadable,
    module_of,
    qualified_name,
    script_of,
    source_of,
)
from pipeline.study.load_module import job_fault, load_module
from pipeline.study.random_numbers import same_random_numbers
from pipeline.study.recorded_copies import digest_of
from pipeline.study.script_arguments import script_arguments
from pipeline.study.source_loader import content_of

_MODULE = r"[^/\x00-\x1f\x7f]+"
"""A module's name: a job file may have any name, and its copy has the same."""

_RESULTS = {
    "model": " that takes a config and returns a compiled keras.Model",
    "function": " that takes a config and yields metrics",
    "callbacks": " that takes a config and returns a list of new Keras callbacks for each trial",
}
"""What the function of a field returns, for a message."""


def value_or_code(read: Callable[[Any], Any]) -> tuple[PlainValidator, PlainSerializer]:
    """Annotations of a field that is a value, or a function of the config that returns one."""

    def validate(value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, UnloadedFunction):
            return value
        is_code = as_function(value) is not None or (isinstance(value, Mapping) and "function" in value)
        return _validate(value, info) if is_code else read(value)

    def serialize(value: Any) -> Any:
        return _serialize(value) if callable(value) else value

    return PlainValidator(validate), PlainSerializer(serialize)


def _serialize(function: Callable[..., Any]) -> dict[str, str | None]:
    if isinstance(function, UnloadedFunction):
        return {"function": function.function, "sha256": function.sha256}
    name = f"{module_of(function)}:{function.__qualname__}"
    if is_loadable(function):
        name = f"{module_of(function)}:{qualified_name(function)}"
        return {"function": name, "sha256": digest_of(source_of(function))}
    return {"function": name, "sha256": None, "bytecode_sha256": bytecode_digest(function)}


def _serialize_data(data: Callable[..., Any] | str) -> dict[str, str | None] | str:
    return data if isinstance(data, str) else _serialize(data)


def _validate(value: Any, info: ValidationInfo) -> Callable[..., Any]:
    if (function := as_function(value)) is not None:
        return function
    if not isinstance(value, Mapping):
        raise ValueError(f"must be a function{_RESULTS.get(info.field_name or '', '')}, defined with def or lambda")
    name = value.get("function")
    digest = value.get("sha256")
    parts = re.fullmatch(rf"({_MODULE}):([\w.<>]+)", name) if isinstance(name, str) else None
    if parts is None or not isinstance(digest, str | None) or set(value) - {"function", "sha256", "bytecode_sha256"}:
        raise ValueError('must be {"function": "module:name", "sha256": "…"}')
    module_name, qualified_name = parts[1], parts[2]
    context = info.context or {}
    if not context.get("load", True):
        return UnloadedFunction(parts[0], digest)
    copies: Copies | None = context.get("copies")
    if copies is not None and "sha256" not in value:
        raise ValueError("must come with the sha256 of its source, as the study was saved")
    unsaved = "sha256" in value and digest is None
    if unsaved or "<" in qualified_name or module_name == "__main__":
        here: Collection[Callable[..., Any]] = context.get("here", ())
        named = [(function, _serialize(function)) for function in here]
        # All lambdas of a notebook have one name.
        for function, serialized in named:
            if serialized == dict(value):
                return function
        if context.get("placeholders") or any(serialized["function"] == parts[0] for _, serialized in named):
            return UnloadedFunction(parts[0], digest)
        raise ValueError(
            "is defined in a notebook, a prompt or another function, and cannot be loaded from a file: where the same "
            "functions are defined, run(JOB, resume=True) continues. `tunepipe export` and load_model return the "
            "best trial's model without them"
        )
    found = as_function(named_in(vars(_module(module_name, digest, copies)), qualified_name))
    if found is None:
        raise ValueError(f"must be a function of {module_name}, and there is no {qualified_name} in it")
    return found


def _validate_data(value: Any, info: ValidationInfo) -> Callable[..., Any] | str:
    if isinstance(value, str):
        if not value.strip():
            raise ValueError("must not be empty: a data set's name, a function or the path of a Parquet file")
        return value
    if isinstance(value, Mapping) or as_function(value) is not None:
        return _validate(value, info)
    raise ValueError(
        "must be a data set's name, the path of a Parquet file, or a function that returns the data, such as "
        "data=lambda: Dataset(train=(x, y), validation=(x, y))"
    )


def _module(name: str, digest: str | None, copies: Copies | None) -> ModuleType:
    """The module whose source has that digest: the loaded one, else the study's copy, else the installed one."""
    # A script that reads its own study would otherwise run a second time, up to its first study.
    loaded = sys.modules.get(name) or script_of(name)
    same = loaded is not None and digest is not None and digest_of(content_of(vars(loaded))) == digest
    if loaded is not None and same and (copies is None or copies.loaded_modules_match()):
        return loaded
    if copies is not None and (copy := copies.path(name)) is not None:
        content = copies.content(name)
        # Functions may import when they are called, so imports find the copies from now on.
        copies.install()
        try:
            with script_arguments(copy, copies.arguments), same_random_numbers():
                imported = copies.import_package(name)
        except (Exception, SystemExit) as error:
            raise InvalidJob(f"job file {copy}", [job_fault(error, copy)]) from error
        if imported is not None:
            return imported
        return load_module(copy, name, content, arguments=copies.arguments, origin=copies.users_file(name))
    # Checked before it runs, because a study could name any module.
    changed = f"module {name} has changed since the study was saved, and there is no copy of its source"
    try:
        spec = importlib.util.find_spec(name)
        if spec is None:
            raise ModuleNotFoundError(name=name)
        if digest is not None and digest_of(content_of({"__spec__": spec, "__file__": spec.origin})) != digest:
            raise ValueError(changed)
        with same_random_numbers():
            module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(f"there is no module {error.name}, and no copy of the source of {name}") from None
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"module {name} cannot be imported: {type(error).__name__}: {error}") from None
    if digest is not None and digest_of(content_of(vars(module))) != digest:
        raise ValueError(changed)
    return module


Code: TypeAlias = Annotated[Callable[..., Any], PlainValidator(_validate), PlainSerializer(_serialize)]
"""A function of the user's, as a field of a job."""

Data: TypeAlias = Annotated[Callable[..., Any] | str, PlainValidator(_validate_data), PlainSerializer(_serialize_data)]
"""A data set's name, a Parquet file's path, or a function of the user's, as a field of a job."""
