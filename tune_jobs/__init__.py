"""The bundled jobs: each module exports one JOB; mnist_asha.py has `mnist-asha`."""

import ast
import importlib
import inspect
import os
import pkgutil
from contextlib import suppress
from types import ModuleType
from typing import Any

from pipeline.code.modules import expanded, load_module, split_job_name
from pipeline.errors import Fault, InvalidJob, JobNotFound
from pipeline.study import TuneJob
from pipeline.text import did_you_mean, listed

__all__ = ["find", "jobs", "names"]

_NOTEBOOK = (
    "`jupyter nbconvert --to python` makes one of a notebook; remove the lines of its magics. In a notebook, run(JOB) "
    "runs the study."
)


def find(name: str) -> TuneJob:
    """The job of that name."""
    file, named = split_job_name(name)
    if file.endswith(".py"):
        path = expanded(file)
        return _exported(load_module(path), f"job file {path}", file, named.removeprefix(":"))
    if (known := name.replace("_", "-")) in names():
        return _exported(_module(known), f"job {known!r}", known)
    if os.path.isfile(name):  # noqa: PTH113 - Path.is_file raises for a name that is too long
        what_to_do = _NOTEBOOK if name.endswith(".ipynb") else "Rename it."
        raise JobNotFound(f"{name} is not a Python file: the name of a job file ends in .py. {what_to_do}")
    raise JobNotFound(_not_found(name))


def names() -> list[str]:
    """The names of all jobs, sorted."""
    return list(jobs())


def jobs() -> dict[str, TuneJob]:
    """Every job by its name, sorted; imports neither Ray nor Keras."""
    found = {each.name.replace("_", "-"): _module(each.name) for each in pkgutil.iter_modules(__path__)}
    return {name: module.JOB for name, module in sorted(found.items()) if hasattr(module, "JOB")}


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")


def _exported(module: ModuleType, subject: str, file: str, name: str = "") -> TuneJob:
    """The job of a module."""
    job: Any = getattr(module, name or "JOB", None)
    if isinstance(job, TuneJob):
        return job
    jobs = [each for each, value in vars(module).items() if isinstance(value, TuneJob)]
    known = [file if each == "JOB" else f"{file}:{each}" for each in jobs]
    calls = f"; its job{'s are' if len(jobs) > 1 else ' is'} {listed(known)}" if jobs else ""
    if hasattr(module, name or "JOB"):
        raise InvalidJob(subject, [Fault(name or "JOB", job, f"must be a TuneJob{calls}")])
    if name:
        raise InvalidJob(subject, [Fault(name, None, f"the file must define {name} = TuneJob(…){calls}")])
    run = f", or the command must name one of its jobs: {listed(known, 'or')}" if jobs else _inside(module, file)
    raise InvalidJob(subject, [Fault("JOB", None, f"the file must define JOB = TuneJob(…){run}")])


def _inside(module: ModuleType, file: str) -> str:
    """What a message adds if a file without a job makes one in a function or under `if __name__ == "__main__":`."""
    with suppress(OSError, TypeError, SyntaxError):
        if any(_makes_job(node) for node in ast.walk(ast.parse(inspect.getsource(module)))):
            return (
                ' at its top level, not in a function or under `if __name__ == "__main__":`. A file that calls run(…) '
                f"itself is started with `python {file}`"
            )
    return ""


def _makes_job(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name == TuneJob.__name__


def _not_found(name: str) -> str:
    known = names()
    file = f"{name}.py"
    is_file = os.path.isfile(file)  # noqa: PTH113
    hint = f" Did you mean the file {file}?" if is_file else did_you_mean(name, known, quoted=True)
    return (
        f"There is no job {name!r}.{hint} Available: {', '.join(known)}; the path of a Python file that "
        "exports JOB is allowed too. `tunepipe list` says what each does."
    )
