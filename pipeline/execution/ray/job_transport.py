"""How a job reaches the workers: they load it from the study's folder, or, from a notebook, get it pickled.

A worker cannot import a job file, and a resumed study runs its copy of a module, even if the original has changed.
Modules that a job file imports from its own folder are imported from there by the workers, too.
"""

import functools
import io
import os
import sys
from typing import Any

from pipeline.code.modules import is_user_file
from pipeline.errors import ModelError
from pipeline.execution.ray.cluster import ray_environment
from pipeline.storage import Store
from pipeline.study import TuneJob, load_study
from pipeline.training.process import KerasSettings, register, registered

_CACHED: type[Any] = type(functools.lru_cache(lambda: None))


def pack(job: TuneJob) -> tuple[bytes | None, list[str]]:
    """What a worker needs in addition to the study's folder."""
    folders = [folder for folder in map(os.path.abspath, sys.path) if is_user_file(f"{folder}/")]
    if job.resumable:
        return None, folders
    try:
        with ray_environment():
            return _dumped((job, registered(), KerasSettings.current())), folders
    except Exception as error:
        raise ModelError(
            f"The job's functions cannot be sent to the workers: {type(error).__name__}: {error}. One uses something "
            "that cannot be copied, such as an open file, a lock or a tf.data pipeline: create that within the "
            "function, or train in this process with resources.workers 0."
        ) from error


def unpack(content: bytes | None, folders: list[str], store: Store) -> TuneJob:
    """A job from what `pack` returned."""
    sys.path[:0] = [folder for folder in folders if folder not in sys.path]
    if content is None:
        return load_study(store)
    from ray import cloudpickle

    job, objects, settings = cloudpickle.loads(content)
    register(objects)
    if settings is not None:
        settings.restore()
    return job  # type: ignore[no-any-return]


def _dumped(value: Any) -> bytes:
    """A value as bytes, with the functions and classes of a notebook in it, and its functions with a cache."""
    from ray.cloudpickle import CloudPickler

    class Pickler(CloudPickler):  # type: ignore[misc]
        def reducer_override(self, value: Any) -> Any:
            if isinstance(value, _CACHED) and value.__module__ == "__main__":
                return _cached, (value.cache_parameters(), value.__wrapped__)
            return super().reducer_override(value)

    file = io.BytesIO()
    Pickler(file).dump(value)
    return file.getvalue()


def _cached(parameters: dict[str, Any], function: Any) -> Any:
    return functools.lru_cache(**parameters)(function)
