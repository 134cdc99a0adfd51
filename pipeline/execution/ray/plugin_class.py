"""A class of Ray Tune by its path: imported, checked and built before anything starts."""

import importlib
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipeline.errors import Fault, InvalidJob
from pipeline.execution.ray.environment import ray_environment
from pipeline.study.faults import unknown

_LEFT_OUT = "must be left out: the study sets it"


def build_plugin(
    field: str,
    path: str,
    settings: Mapping[str, Any],
    *,
    base: type,
    unsupported: Mapping[type, str],
    reserved: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> Any:
    """An instance of a class of Ray Tune."""
    plugin = _import_class(field, path, base)
    if (why := next((why for other, why in unsupported.items() if issubclass(plugin, other)), None)) is not None:
        raise InvalidJob("the job", [Fault(field, path, f"must be another class: {why}")])
    parameters = inspect.signature(plugin).parameters
    free = [
        name
        for name, parameter in parameters.items()
        if name not in reserved and parameter.kind is not parameter.VAR_KEYWORD
    ]
    takes_any = len(free) + sum(name in reserved for name in parameters) < len(parameters)
    faults = [
        Fault(f"{field}.{name}", value, _LEFT_OUT if name in reserved else unknown("setting", free, name))
        for name, value in settings.items()
        if name in reserved or not (takes_any or name in free)
    ]
    if faults:
        raise InvalidJob("the job", faults)
    study_settings = {name: value for name, value in {**defaults, **reserved}.items() if name in parameters}
    with plugin_errors(field, path):
        return plugin(**{**study_settings, **settings})


@contextmanager
def plugin_errors(field: str, path: str) -> Iterator[None]:
    """Turn any error of a class of Ray Tune into a fault of the job: wrong settings, or a use it is not made for."""
    try:
        yield
    except Exception as error:
        error_text = " ".join(f"{type(error).__name__}: {error}".split())
        raise InvalidJob("the job", [Fault(field, path, f"must work here; its error is: {error_text}")]) from error


def _import_class(field: str, path: str, base: type) -> Any:
    module_name, _, name = path.rpartition(".")
    try:
        # Ray reads some of its variables when it is imported.
        with ray_environment():
            module = importlib.import_module(module_name)
    except ImportError as error:
        allowed = f"must be a class of Ray Tune that can be imported here ({' '.join(str(error).split())})"
        raise InvalidJob("the job", [Fault(field, path, allowed)]) from None
    classes = {
        other: value
        for other, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, base) and value is not base
    }
    if name not in classes:
        allowed = f"must be a {base.__name__} of Ray Tune: {unknown('class of that kind', sorted(classes), name)}"
        raise InvalidJob("the job", [Fault(field, path, allowed)])
    return classes[name]
