"""How a job reaches the workers: they load it from the study, from study.json and the copies of its sources.

A worker cannot import a job file, and a resumed study runs its copy of a module, even if the original has changed.
Modules that a job file imports from its own folder are imported from there by the workers, too.
"""

import functools
import io
import sys
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.datasets import is_tf_data
from pipeline.errors import DataError, ModelError
from pipeline.execution.ray.environment import ray_environment
from pipeline.storage import Store
from pipeline.study import TuneJob, load_study
from pipeline.study.module_origin import import_folders
from pipeline.study.single_dispatch import implementations
from pipeline.training.keras_settings import KerasSettings
from pipeline.training.registered_objects import register, registered

_CACHED: type[Any] = type(functools.lru_cache(lambda: None))


def pack(job: TuneJob) -> tuple[bytes | None, list[str]]:
    """What a worker needs in addition to the study's folder."""
    folders = [str(folder) for folder in import_folders(job.functions.values())]
    if job.resumable:
        return None, folders
    try:
        with ray_environment():
            return dumped((job, registered(), KerasSettings.current())), folders
    except DataError:
        raise
    except Exception as error:
        raise ModelError(
            f"{_unsent(job)} cannot be sent to the workers: {type(error).__name__}: {error}. It uses something that "
            "cannot be copied, such as an open file or a lock: create that within the function, or train in this "
            "process with resources.workers 0."
        ) from error


def dumped(value: Any) -> bytes:
    """A value as bytes, with the functions and classes of a notebook in it."""
    from ray.cloudpickle import CloudPickler

    class Pickler(CloudPickler):  # type: ignore[misc]
        def reducer_override(self, value: Any) -> Any:
            if isinstance(value, _CACHED) and value.__module__ == "__main__":
                # The function may refer to the cache by its name: the cache is created first, empty.
                return _empty_cache, (value.cache_parameters(),), value.__wrapped__, None, None, _fill_cache
            if (functions := implementations(value)) is not None and value.__module__ == "__main__":
                # Its functions may refer to it by its name: it is created first, without them.
                return _empty_dispatcher, (), (value.__wrapped__, dict(functions)), None, None, _fill_dispatcher
            if isinstance(value, functools.singledispatchmethod):
                return functools.singledispatchmethod, (value.func,), {"dispatcher": value.dispatcher}
            if is_tf_data(value):
                from pipeline.training.sent_pipelines import reduced

                return reduced(value)
            if isinstance(value, functools.cached_property):
                # Python 3.11 has a lock in it.
                return _cached_property, (value.func, value.attrname)
            return super().reducer_override(value)

    file = io.BytesIO()
    Pickler(file).dump(value)
    return file.getvalue()


def _cached_property(function: Callable[[Any], Any], name: str) -> Any:
    made: functools.cached_property[Any] = functools.cached_property(function)
    made.attrname = name
    return made


def _empty_cache(parameters: Mapping[str, Any]) -> Any:
    """A cache without its function, which `_fill_cache` adds."""

    def call(*values: Any, **named: Any) -> Any:
        return call.function(*values, **named)  # type: ignore[attr-defined]

    return functools.lru_cache(**parameters)(call)


def _fill_cache(cache: Any, function: Callable[..., Any]) -> None:
    cache.__wrapped__.function = function
    functools.update_wrapper(cache, function)


def _empty_dispatcher() -> Any:
    """A function of `singledispatch` without its implementations, which `_fill_dispatcher` adds."""
    return functools.singledispatch(lambda *_: None)


def _fill_dispatcher(dispatcher: Any, functions: tuple[Callable[..., Any], Mapping[type, Callable[..., Any]]]) -> None:
    decorated, by_class = functions
    functools.update_wrapper(dispatcher, decorated)
    for each, function in by_class.items():
        dispatcher.register(each, function)


def unpack(content: bytes | None, folders: list[str], store: Store) -> TuneJob:
    """A job from what `pack` returned."""
    sys.path[:0] = [folder for folder in folders if folder not in sys.path]
    if content is None:
        return load_study(store)
    from ray import cloudpickle

    job: TuneJob
    settings: KerasSettings | None
    job, objects, settings = cloudpickle.loads(content)
    register(objects)
    if settings is not None:
        settings.restore()
    return job


def _unsent(job: TuneJob) -> str:
    """Which of the job's functions cannot be pickled, in words."""
    for function in job.functions.values():
        try:
            dumped(function)
        except Exception:
            return f"The function {function.__qualname__}"
    return "The job"
