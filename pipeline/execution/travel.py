"""The job travels to workers as the study has it: study.json and the copies of its sources.

A worker could not import a job file, and a resumed study runs the copy of a module, whatever lies under its name now.
What a job file imports from its own folder is found there by the workers too.
"""

import sys
from pathlib import Path

from pipeline.storage import Store
from pipeline.study import TuneJob, load_study

__all__ = ["pack", "unpack"]


def pack(job: TuneJob) -> tuple[bytes | None, list[str]]:
    """What a worker needs beside the study's folder.

    Args:
        job: The job.

    Returns:
        The job as bytes where there is no source to copy, as in a notebook, else None; and the folders of its files,
        where they import from.
    """
    files = [sys.modules[function.__module__].__file__ for function in job.functions.values()]
    folders = sorted({str(Path(file).resolve().parent) for file in files if file})
    if job.resumable:
        return None, folders
    from ray import cloudpickle

    return cloudpickle.dumps(job), folders


def unpack(content: bytes | None, folders: list[str], store: Store) -> TuneJob:
    """A job from what `pack` returned.

    Args:
        content: The job as bytes, from this study's own driver; None for a job whose sources lie with the study.
        folders: Where the job's files import from.
        store: The study's folder.
    """
    sys.path[:0] = [folder for folder in folders if folder not in sys.path]
    if content is None:
        return load_study(store)
    from ray import cloudpickle

    job: TuneJob = cloudpickle.loads(content)
    return job
