"""The job travels to workers as code, not by name.

A worker could not import a job file, and a resumed study runs the copy of a module, whatever lies under its name now.
What a job file imports from its own folder is found there by the workers too.
"""

import sys
from pathlib import Path

from pipeline.study import TuneJob

__all__ = ["pack", "unpack"]


def pack(job: TuneJob) -> tuple[bytes, list[str]]:
    """A job for other processes.

    Args:
        job: The job.

    Returns:
        The job as bytes, its functions by value; and the folders of its files, where they import from.
    """
    from ray import cloudpickle

    names = {function.__module__ for function in job.functions.values()} - {"__main__"}
    modules = [sys.modules[name] for name in names if name in sys.modules]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        content: bytes = cloudpickle.dumps(job)
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
    files = [module.__file__ for module in modules if module.__file__ and "." not in module.__name__]
    return content, sorted({str(Path(file).resolve().parent) for file in files})


def unpack(content: bytes, folders: list[str]) -> TuneJob:
    """A job from what `pack` returned.

    Args:
        content: The job as bytes, from this study's own driver.
        folders: Where the job's files import from.
    """
    from ray import cloudpickle

    sys.path[:0] = [folder for folder in folders if folder not in sys.path]
    job: TuneJob = cloudpickle.loads(content)
    return job
