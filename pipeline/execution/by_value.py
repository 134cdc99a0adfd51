"""Functions that no worker could import: those of a job file travel as code instead of by name."""

import contextlib
import sys
from collections.abc import Iterator

from pipeline.study import TuneJob

__all__ = ["picklable"]


@contextlib.contextmanager
def picklable(job: TuneJob) -> Iterator[None]:
    """While open, the job's functions can be sent to workers wherever their modules came from."""
    from ray import cloudpickle

    names = {function.__module__ for function in job.functions.values()}
    modules = [sys.modules[name] for name in names if name in sys.modules and not _installed(name)]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def _installed(name: str) -> bool:
    return name == "__main__" or name.partition(".")[0] in ("tune_jobs", "pipeline")
