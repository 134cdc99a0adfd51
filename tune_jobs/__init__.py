"""The jobs that come along: one module is one job and exports JOB; mnist_asha.py holds `mnist-asha`."""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.errors import Fault, InvalidJob, JobNotFound
from pipeline.study import TuneJob
from pipeline.study.load_module import is_file, load_module
from pipeline.study.quiet import quiet_tensorflow
from pipeline.wording import did_you_mean

__all__ = ["find", "jobs", "names"]


def find(name: str) -> TuneJob:
    """The job of that name.

    Args:
        name: A job's name, or the path of a Python file that exports JOB.

    Raises:
        JobNotFound: There is no such job; lists those that there are.
        InvalidJob: The file exports no JOB, or something else under that name.
    """
    if name.endswith(".py"):
        try:
            path = Path(name).expanduser()
        except RuntimeError as error:
            raise JobNotFound(f"There is no job file {name}: {error}") from None
        return _exported(load_module(path), f"job file {path}")
    if (known := name.replace("_", "-")) in names():
        return _exported(_module(known), f"job {known!r}")
    if is_file(Path(name)):
        raise JobNotFound(f"{name} is not a Python file: the name of a job file ends in .py. Rename it.")
    raise JobNotFound(_not_found(name))


def names() -> list[str]:
    """The names of all jobs, sorted."""
    return list(jobs())


def jobs() -> dict[str, TuneJob]:
    """Every job by its name, sorted; imports neither Ray nor Keras."""
    modules = (_module(module.name.replace("_", "-")) for module in pkgutil.iter_modules(__path__))
    found = {module.__name__.rpartition(".")[2].replace("_", "-"): module for module in modules}
    return {name: module.JOB for name, module in sorted(found.items()) if hasattr(module, "JOB")}


def _module(name: str) -> ModuleType:
    quiet_tensorflow()
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")


def _exported(module: ModuleType, subject: str) -> TuneJob:
    job: Any = getattr(module, "JOB", None)
    if isinstance(job, TuneJob):
        return job
    if hasattr(module, "JOB"):
        raise InvalidJob(subject, [Fault("JOB", job, "must be a TuneJob")])
    others = [name for name, value in vars(module).items() if isinstance(value, TuneJob)]
    allowed = "the file must define JOB = TuneJob(…)"
    if not others:
        raise InvalidJob(subject, [Fault("JOB", None, allowed)])
    if len(others) == 1:
        raise InvalidJob(subject, [Fault("JOB", others[0], f"{allowed}: rename its TuneJob to JOB")])
    raise InvalidJob(subject, [Fault("JOB", others, f"{allowed}: rename one of its TuneJobs to JOB")])


def _not_found(name: str) -> str:
    known = names()
    file = Path(f"{name}.py")
    hint = f" Did you mean the file {file}?" if is_file(file) else did_you_mean(name, known, quoted=True)
    return (
        f"There is no job {name!r}.{hint} There are {', '.join(known)}; the path of a Python file that "
        "exports JOB is allowed too. `tunepipe list` says what each does."
    )
