"""How a job reaches the workers: they load it from the study, from study.json and the copies of its sources.

A worker cannot import a job file, and a resumed study runs its copy of a module, even if the original has changed.
Modules that a job file imports from its own folder are imported from there by the workers, too.
"""

import sys

from pipeline.errors import ModelError
from pipeline.storage import Store
from pipeline.study import TuneJob, load_study
from pipeline.study.module_origin import import_folder
from pipeline.training.registered import register, registered

__all__ = ["pack", "unpack"]


def pack(job: TuneJob) -> tuple[bytes | None, list[str]]:
    """What a worker needs beside the study's folder.

    Args:
        job: The job.

    Returns:
        The job as bytes where there is no source to copy, as in a notebook, else None; and the folders from which its
        files import.

    Raises:
        ModelError: A function of a notebook uses an object that cannot be sent to another process.
    """
    origins = (import_folder(function) for function in job.functions.values())
    folders = sorted({str(folder.resolve()) for folder in origins if folder is not None})
    if job.resumable:
        return None, folders
    from ray import cloudpickle

    try:
        return cloudpickle.dumps((job, registered())), folders
    except Exception as error:
        raise ModelError(
            f"{_unsent(job)} cannot be sent to the workers: {type(error).__name__}: {error}. It uses something that "
            "cannot be copied, such as an open file or a lock: create that within the function, or train in this "
            "process with resources.workers 0."
        ) from error


def unpack(content: bytes | None, folders: list[str], store: Store) -> TuneJob:
    """A job from what `pack` returned.

    Args:
        content: The job as bytes, from this study's own driver; None for a job whose sources are in the study.
        folders: The folders from which the job's files import.
        store: The study's folder.
    """
    sys.path[:0] = [folder for folder in folders if folder not in sys.path]
    if content is None:
        return load_study(store)
    from ray import cloudpickle

    job: TuneJob
    job, objects = cloudpickle.loads(content)
    register(objects)
    return job


def _unsent(job: TuneJob) -> str:
    """Which of the job's functions cannot be pickled, in words."""
    from ray import cloudpickle

    for function in job.functions.values():
        try:
            cloudpickle.dumps(function)
        except Exception:
            return f"The function {function.__qualname__}"
    return "The job"
