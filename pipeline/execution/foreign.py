"""Classes of Ray Tune's by their paths: found, looked at and built, before anything starts."""

import importlib
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipeline.errors import Fault, InvalidJob
from pipeline.execution.on_ray import set_environment
from pipeline.study.faults import unknown

__all__ = ["built", "heard"]

_LEFT_OUT = "must be left out: the study sets it"


def built(
    field: str,
    path: str,
    settings: Mapping[str, Any],
    *,
    base: type,
    unfit: Mapping[type, str],
    ours: Mapping[str, Any],
    unless_given: Mapping[str, Any],
) -> Any:
    """An instance of a class of Ray Tune's.

    Args:
        field: The job's field that names it.
        path: The class's path.
        settings: What a person has set.
        base: What it must be a class of.
        unfit: Classes of that kind that need more of Ray Tune than there is here, and why.
        ours: What the study sets, as far as the class takes it; nobody else may.
        unless_given: What the study sets where a person does not, as far as the class takes it.

    Raises:
        InvalidJob: There is no such class, its library is not installed, or it does not take the settings.
    """
    found = _found(field, path, base)
    if (why := next((why for one, why in unfit.items() if issubclass(found, one)), None)) is not None:
        raise InvalidJob("the job", [Fault(field, path, f"must be another one: {why}")])
    taken = inspect.signature(found).parameters
    free = [name for name, one in taken.items() if name not in ours and one.kind is not one.VAR_KEYWORD]
    takes_any = len(free) + sum(name in ours for name in taken) < len(taken)
    faults = [
        Fault(f"{field}.{name}", value, _LEFT_OUT if name in ours else unknown("setting", free, name))
        for name, value in settings.items()
        if name in ours or not (takes_any or name in free)
    ]
    if faults:
        raise InvalidJob("the job", faults)
    set_here = {name: value for name, value in {**unless_given, **ours}.items() if name in taken}
    with heard(field, path):
        return found(**{**set_here, **settings})


@contextmanager
def heard(field: str, path: str) -> Iterator[None]:
    """Whatever a class of Ray's raises is about the settings it was given, or what it was not made for.

    Raises:
        InvalidJob: With the class's own words.
    """
    try:
        yield
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise InvalidJob("the job", [Fault(field, path, f"must work here, and it says: {told}")]) from error


def _found(field: str, path: str, base: type) -> Any:
    # Ray reads some of these when it is imported.
    set_environment()
    module, _, name = path.rpartition(".")
    try:
        home = importlib.import_module(module)
    except ImportError as error:
        allowed = f"must be a class of Ray Tune that can be imported here ({' '.join(str(error).split())})"
        raise InvalidJob("the job", [Fault(field, path, allowed)]) from None
    there = {
        other: one
        for other, one in vars(home).items()
        if inspect.isclass(one) and issubclass(one, base) and one is not base
    }
    if name not in there:
        allowed = f"must be a {base.__name__} of Ray Tune: {unknown('class of that kind', sorted(there), name)}"
        raise InvalidJob("the job", [Fault(field, path, allowed)])
    return there[name]
