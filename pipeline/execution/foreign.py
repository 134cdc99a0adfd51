"""Classes of Ray Tune's by their paths: found, looked at and built, before anything starts."""

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipeline.errors import Fault, InvalidJob
from pipeline.execution.on_ray import set_environment
from pipeline.study.faults import unknown

__all__ = ["built", "heard"]


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
    free = [name for name in taken if name not in ours]
    faults = [
        Fault(f"{field}.{name}", value, "must be left out: the study sets it" if name in ours else _unknown(free, name))
        for name, value in settings.items()
        if name not in free
    ]
    if faults:
        raise InvalidJob("the job", faults)
    given = {name: value for name, value in {**unless_given, **settings, **ours}.items() if name in taken}
    with heard(field, path):
        return found(**given)


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
    is_class: Callable[[Any], bool] = lambda one: inspect.isclass(one) and issubclass(one, base) and one is not base  # noqa: E731
    found = getattr(home, name, None)
    if not is_class(found):
        there = sorted(other for other, one in vars(home).items() if is_class(one))
        allowed = f"must be a {base.__name__} of Ray Tune: {_unknown(there, name, 'class of that kind')}"
        raise InvalidJob("the job", [Fault(field, path, allowed)])
    return found


def _unknown(known: list[str], name: str, what: str = "setting") -> str:
    return unknown(what, known, name)
