"""Jobs from programs of other libraries: by a file's name, or from the functions themselves."""

import importlib.util
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.adapters.keras_tuner import HypermodelAdapter
from pipeline.adapters.optuna import ObjectiveAdapter
from pipeline.adapters.program import Adapter, end_program, load, register, running, user_errors, user_line
from pipeline.adapters.ray_tune import TrainableAdapter
from pipeline.code import SourceText, content_of, expanded, split_job_name
from pipeline.errors import Fault, InvalidJob, UsageError
from pipeline.study import Objective, TuneJob
from pipeline.text import closest, did_you_mean

LIBRARIES: dict[str, type[Adapter]] = {
    each.library: each for each in (HypermodelAdapter, ObjectiveAdapter, TrainableAdapter)
}
"""The libraries whose programs become jobs, as `--from` names them."""


def adapted(library: str, module: str, name: str) -> Adapter:
    """The object of a program in a module, in the module that a study copies."""
    kind = LIBRARIES[library]
    return kind(running(module, kind.patches), name)


def from_file(
    place: str, library: str, given: Mapping[str, Any], note: Callable[[str], None] = lambda _: None
) -> TuneJob:
    """A job from a file, `file.py:name`, or `file.py` for what the file itself would tune."""
    if library not in LIBRARIES:
        known = ", ".join(LIBRARIES)
        raise UsageError(
            f"--from {library}: tunepipe translates programs of {known}.{did_you_mean(library, LIBRARIES)}"
        )
    file, name = split_job_name(place)
    path, name, kind = expanded(file), name.removeprefix(":"), LIBRARIES[library]
    if not path.is_file() or not path.stem.isidentifier():
        allowed = "must be a file with a name that Python can import (letters, digits and _)"
        raise InvalidJob(f"the file {path}", [Fault("file", str(path), allowed)])
    kind.prepare(given)
    program = load(path, kind.patches)
    subject = f"{path.name}:{name}" if name else path.name
    if name and not hasattr(program.module, name):
        there = [each for each, value in vars(program.module).items() if callable(value) and not each.startswith("_")]
        before = "" if program.call is None else f" before {program.call.line}, where its search starts"
        near = closest(name, there)
        allowed = f"must be a name that the file defines{before}{'' if near is None else f', such as {near}'}"
        raise InvalidJob(subject, [Fault("name", name, allowed)])
    if not name and program.call is None:
        allowed = f"must be given, as in {path.name}:NAME, because the file does not call {kind.search}"
        raise InvalidJob(subject, [Fault("name", None, allowed)])
    adapter = kind(program, name)
    job = _job(adapter, given, subject, path)
    if program.call is not None and adapter.call is None:
        note(
            f"{program.call.line}: this search does not tune {name}, and tunepipe runs the file only up to it: set the "
            "arguments of a later search by options, such as --trials and --set objectives=…"
        )
    for sentence in adapter.notes:
        note(f"{adapter.call.line}: {sentence}" if adapter.call is not None else sentence)
    return job


def left_to_changes(job: TuneJob, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes that leave out what a program says about its own space, where a user changes the space."""
    further: dict[str, Any] = {}
    if any(path.partition(".")[0] == "space" for path in changes):
        if "start_with" not in changes:
            further["start_with"] = []
        if getattr(job.scheduler, "explore", None) is not None and "scheduler" not in changes:
            further["scheduler.explore"] = None
    return further


def from_keras_tuner(hypermodel: Any, **fields: Any) -> TuneJob:
    """A job from KerasTuner's `build(hp)` or HyperModel.

    Args:
        hypermodel: The function, or a HyperModel or its class.
        fields: Fields of the TuneJob: `data` is needed; `objectives` is val_loss unless given.

    Raises:
        InvalidJob: A hyperparameter cannot be translated; names the line.
    """
    return _from_object("keras-tuner", hypermodel, fields, {"data": fields.get("data")})


def from_ray_tune(trainable: Any, param_space: Mapping[str, Any], **fields: Any) -> TuneJob:
    """A job from a function of Ray Tune that reports by `tune.report`.

    Args:
        trainable: The function, also from tune.with_parameters; or a Trainable class.
        param_space: Its search space.
        fields: Fields of the TuneJob: `objectives` is needed.

    Raises:
        InvalidJob: A parameter cannot be translated; names the line.
    """
    return _from_object("ray-tune", trainable, fields, {"space": param_space})


def from_optuna(objective: Any, **fields: Any) -> TuneJob:
    """A job from an Optuna objective.

    Args:
        objective: The function `objective(trial)`.
        fields: Fields of the TuneJob. Unless `objectives` are given, the objective's value is minimised, as the metric
            `value`. Several objectives are the values that the function returns, in order.

    Raises:
        InvalidJob: A suggestion cannot be translated; names the line.
    """
    given = fields.get("objectives")
    objectives = list(given) if isinstance(given, list | tuple) else [given or Objective("value", "min")]
    directions = ["minimize" if one.mode == "min" else "maximize" for one in objectives]
    call = {"directions": directions, "names": [one.metric for one in objectives]}
    return _from_object("optuna", objective, fields, call)


def _from_object(library: str, target: Any, fields: Mapping[str, Any], call: Mapping[str, Any]) -> TuneJob:
    """A job from an object: by its name in a file where it has one, so that the study can be resumed."""
    # A worker that imports the caller's file reaches this call.
    end_program(target, call)
    kind = LIBRARIES[library]
    adapter = kind(None, "", target, call)
    subject = getattr(target, "__qualname__", None) or type(target).__qualname__
    found = _located(target)
    if found is None or not adapter.is_complete(fields):
        return _job(adapter, fields, subject, None)
    module, name = found
    return _job(kind(register(module, target, call), name), fields, subject, Path(module.__file__ or ""))


def _located(target: Any) -> tuple[ModuleType, str] | None:
    """The module that calls `from_…` and the name that the object has there; None if a worker cannot find it."""
    file, _ = user_line()
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == file and file.endswith(".py") and content_of(vars(module)) is not None:
            names = [name for name, value in vars(module).items() if value is target and name.isidentifier()]
            if names and Path(file).stem.isidentifier():
                return module, names[0]
    return None


def _job(adapter: Adapter, given: Mapping[str, Any], subject: str, path: Path | None) -> TuneJob:
    with user_errors(subject):
        fields = dict(adapter.fields(given, subject))
    for field in ("budget", "resources"):
        own, theirs = fields.get(field, {}), given.get(field)
        fields[field] = own if theirs is None else {**own, **theirs} if isinstance(theirs, Mapping) else theirs
    trials = fields["budget"].get("trials") if isinstance(fields["budget"], Mapping) else None
    if "start_with" in fields and isinstance(trials, int):
        fields["start_with"] = fields["start_with"][: max(0, trials)]
    functions = _functions(adapter, subject, path)
    for field in ("model", "function", "callbacks", "data"):
        if fields.get(field) is not None:
            fields[field] = functions[fields[field]]
    fields["name"] = _job_name(subject if path is None else f"{path.stem}-{adapter.name}")
    own = {"budget", "resources", "space", *(("data",) if fields.get("function") else ())}
    fields |= {field: value for field, value in given.items() if field not in own}
    if given.get("space"):
        fields |= {"space": given["space"], "start_with": given.get("start_with", [])}
        if "scheduler" not in given and isinstance(scheduler := fields.get("scheduler"), Mapping):
            fields["scheduler"] = {name: value for name, value in scheduler.items() if name != "explore"}
    return TuneJob(**{field: value for field, value in fields.items() if value not in ({}, None) or field == "space"})


def _functions(adapter: Adapter, subject: str, path: Path | None) -> dict[str, Any]:
    """The job's functions: in a module that a study copies and that imports the user's file, or in this process."""
    if path is None or adapter.program is None:
        functions: dict[str, Any] = {}
        for name, parameters in adapter.functions.items():
            method = getattr(adapter, name)
            kinds: dict[str, Any] = {
                "": lambda method=method: method(),
                "config": lambda config, method=method: method(config),
                "config, state": lambda config, state, method=method: method(config, state),
            }
            functions[name] = kinds[parameters]
            functions[name].__name__ = functions[name].__qualname__ = name
        return functions
    header = _MODULE.format(title=subject, library=adapter.library, module=adapter.program.name, name=adapter.name)
    text = header + "".join(_FUNCTION.format(name=n, parameters=p) for n, p in adapter.functions.items())
    name = f"{path.stem}_from_{adapter.library.replace('-', '_')}"
    file = path.resolve().with_name(f"{name}.py")
    # As if it were a file beside the program; nothing is written there.
    loader = SourceText(file, text.encode(), of_study=False)
    spec = importlib.util.spec_from_file_location(name, file, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return vars(module)


_MODULE = '''"""{title} as the functions of a job: written by tunepipe."""

from pipeline.adapters import adapted

ADAPTER = adapted({library!r}, {module!r}, {name!r})
import {module}  # noqa: E402, F401  (a study copies it, too)
'''

_FUNCTION = """

def {name}({parameters}):
    return ADAPTER.{name}({parameters})
"""


def _job_name(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower().replace("_", "-")).strip("-._")[:63] or "study"
