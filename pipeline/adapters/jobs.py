"""Jobs from programs of other libraries: by a file's name, or from the functions themselves."""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.adapters import keras_tuner, optuna, ray_tune
from pipeline.adapters.adapter import Adapter
from pipeline.adapters.generated_module import generated_module
from pipeline.adapters.library import Library
from pipeline.adapters.program import end_program, load, register
from pipeline.adapters.user_code import user_errors, user_line
from pipeline.code import content_of, expanded, split_job_name
from pipeline.errors import Fault, InvalidJob, UsageError
from pipeline.space import Domain, walk
from pipeline.study import Objective, TuneJob
from pipeline.wording import closest, did_you_mean

LIBRARIES = {each.name: each for each in (keras_tuner.LIBRARY, optuna.LIBRARY, ray_tune.LIBRARY)}
"""The libraries whose programs become jobs, as `--from` names them."""


def from_file(
    place: str, library: str, given: Mapping[str, Any], note: Callable[[str], None] = lambda _: None
) -> TuneJob:
    """A job from a file, `file.py:name`, or `file.py` for what the file itself would tune."""
    if library not in LIBRARIES:
        known = ", ".join(LIBRARIES)
        hint = did_you_mean(library, LIBRARIES)
        raise UsageError(f"--from {library}: tunepipe translates programs of {known}.{hint}")
    file, name = split_job_name(place)
    path, name = expanded(file), name.removeprefix(":")
    found = LIBRARIES[library]
    if not path.stem.isidentifier():
        allowed = "must have a name that Python can import (letters, digits and _): rename it"
        raise InvalidJob(f"the file {path}", [Fault("file", path.name, allowed)])
    found.prepare(given)
    program = load(path, found.patches)
    subject = f"{path.name}:{name}" if name else path.name
    if name and not hasattr(program.module, name):
        there = [each for each, value in vars(program.module).items() if callable(value) and not each.startswith("_")]
        before = "" if program.call is None else f" before {program.call.line}, where its search starts"
        near = closest(name, there)
        example = "" if near is None else f", such as {near}"
        allowed = f"must be a name that the file defines{before}{example}"
        raise InvalidJob(subject, [Fault("name", name, allowed)])
    if not name and program.tuning_call() is None:
        allowed = f"must be given, as in {path.name}:NAME, because the file does not call {found.search}"
        raise InvalidJob(subject, [Fault("name", None, allowed)])
    adapter = found.adapter(lambda: program, name)
    job = _job(found, adapter, given, subject, path, name)
    if name and program.call is not None and adapter.call is None:
        note(
            f"{program.call.line}: this search does not tune {name}, and tunepipe runs the file only up to it: set the "
            "arguments of a later search by options, such as --trials and --set objectives=…"
        )
    for sentence in adapter.left_out:
        note(f"{adapter.call.line}: {sentence}" if adapter.call is not None else sentence)
    return job


def left_to_changes(job: TuneJob, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes that remove the hyperparameters that a user changes from a program's job: the user's values count."""
    changed = {name for path in changes if path.startswith("space.") for name in path.split(".")[1:]}
    further: dict[str, Any] = {}
    starts = [{name: value for name, value in start.items() if name not in changed} for start in job.start_with]
    if "start_with" not in changes and starts != list(job.start_with):
        further["start_with"] = [start for start in starts if start]
    explore = getattr(job.scheduler, "explore", None)
    if isinstance(explore, Mapping) and changed & explore.keys() and "scheduler" not in changes:
        further["scheduler.explore"] = {**explore, **dict.fromkeys(changed & explore.keys())}
    return further


def from_keras_tuner(hypermodel: Any, **fields: Any) -> TuneJob:
    """A job from KerasTuner's `build(hp)` or HyperModel.

    Args:
        hypermodel: The function, or a HyperModel or its class.
        fields: Fields of the TuneJob: `data` is needed; `objectives` is val_loss unless given.

    Raises:
        InvalidJob: A hyperparameter cannot be translated; names the line.
    """
    call = {"kind": "Tuner", "tuner": {}, "args": (), "kwargs": {}}
    end_program(hypermodel, call)
    return _from_object(keras_tuner.LIBRARY, hypermodel, fields, {"data": fields.get("data")}, call)


def from_ray_tune(trainable: Any, param_space: Mapping[str, Any], **fields: Any) -> TuneJob:
    """A job from a function of Ray Tune that reports by `tune.report`.

    Args:
        trainable: The function, also from tune.with_parameters; or a Trainable class.
        param_space: Its search space.
        fields: Fields of the TuneJob: `objectives` is needed.

    Raises:
        InvalidJob: A parameter cannot be translated; names the line.
    """
    end_program(trainable, {"space": param_space})
    return _from_object(ray_tune.LIBRARY, trainable, fields, {"space": param_space}, {"space": param_space})


def from_optuna(objective: Any, **fields: Any) -> TuneJob:
    """A job from an Optuna objective.

    Args:
        objective: The function `objective(trial)`.
        fields: Fields of the TuneJob. Unless `objectives` are given, the objective's value is minimised, as the metric
            `value`. Several objectives are the values that the function returns, in order.

    Raises:
        InvalidJob: A suggestion cannot be translated; names the line.
    """
    objectives = _listed(fields.get("objectives")) or [Objective(optuna.METRIC, "min")]
    directions = ["minimize" if one.mode == "min" else "maximize" for one in objectives]
    names = [one.metric for one in objectives]
    end_program(objective, {"directions": directions, "names": names})
    return _from_object(optuna.LIBRARY, objective, fields, {"names": names}, {"directions": directions, "names": names})


def _from_object(
    library: Library, target: Any, fields: Mapping[str, Any], own: Mapping[str, Any], call: Mapping[str, Any]
) -> TuneJob:
    """A job from an object: by its name in a file where it has one, so that the study can be resumed."""
    own = {name: value for name, value in own.items() if value is not None}
    adapter = library.adapter(None, "", target, **own)
    subject = getattr(target, "__qualname__", None) or type(target).__qualname__
    found = _located(target)
    if found is None or not adapter.is_complete(fields):
        return _job(library, adapter, fields, subject, None, subject)
    module, name = found
    register(module, library.patches, target, call)
    assert module.__file__ is not None
    return _job(library, adapter, fields, subject, Path(module.__file__), name)


def _located(target: Any) -> tuple[ModuleType, str] | None:
    """The module that calls this function and the name that the object has there; None if a worker cannot find it.

    The worker imports that module as a program, and reaches the same call.
    """
    file, _ = user_line()
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == file and file.endswith(".py") and _has_source(module):
            names = [name for name, value in vars(module).items() if value is target and name.isidentifier()]
            stem = Path(file).stem if module.__name__ == "__main__" else module.__name__
            if names and stem.isidentifier():
                return module, names[0]
    return None


def _has_source(module: ModuleType) -> bool:
    """Whether a module has a source that a study can copy."""
    return content_of(vars(module)) is not None


def _job(
    library: Library, adapter: Adapter, given: Mapping[str, Any], subject: str, path: Path | None, name: str
) -> TuneJob:
    with user_errors(subject):
        fields = dict(adapter.fields(given, subject))
    for field in ("budget", "resources"):
        fields[field] = _merged(fields.get(field, {}), given.get(field))
    trials = fields["budget"].get("trials") if isinstance(fields["budget"], Mapping) else None
    if "start_with" in fields and isinstance(trials, int):
        fields["start_with"] = fields["start_with"][: max(0, trials)]
    functions = _named(adapter.functions) if path is None else _functions(library, path, name)
    fields["name"] = _job_name(path, name)
    fields |= {field: function and functions[function] for field, function in adapter.function_fields.items()}
    left_out = {"budget", "resources", "space", *(("data",) if fields.get("function") else ())}
    fields |= {field: value for field, value in given.items() if field not in left_out}
    starts: list[dict[str, Any]] = []
    explore = None
    if given.get("space"):
        fields["space"] = given["space"]
        starts = [] if "start_with" in given else fields.pop("start_with", [])
        if "scheduler" not in given and isinstance(scheduler := fields.get("scheduler"), Mapping):
            explore = scheduler.get("explore")
            fields["scheduler"] = {name: value for name, value in scheduler.items() if name != "explore"}
    job = TuneJob(**{field: value for field, value in fields.items() if value not in ({}, None) or field == "space"})
    further = _within(job.space, starts, explore)
    return job.replaced(further) if further else job


def _within(
    space: Mapping[str, Any], starts: Iterable[Mapping[str, Any]], explore: Iterable[str] | None
) -> dict[str, Any]:
    """What a program says about its own space, if it fits the caller's space, as changes of the job."""
    fitting: dict[str, Any] = {}
    kept = [{name: value for name, value in start.items() if _has(space.get(name), value)} for start in starts]
    if any(kept):
        fitting["start_with"] = [start for start in kept if start]
    if explore is not None:
        known = {parameter.name for parameter in walk(space)}
        fitting["scheduler.explore"] = [name for name in explore if name in known]
    return fitting


def _has(domain: Any, value: Any) -> bool:
    return isinstance(domain, Domain) and domain.contains(value)


def _named(functions: Mapping[str, Callable[..., Any]]) -> Mapping[str, Callable[..., Any]]:
    """Functions under the names that they would have in a file: messages and the job's text show them."""
    for name, function in functions.items():
        function.__name__ = function.__qualname__ = name
    return functions


def _functions(library: Library, path: Path, name: str) -> dict[str, Any]:
    """The job's functions in a module whose text imports the user's file."""
    text = library.text.format(title=f"{path.name}:{name}" if name else path.name, module=path.stem, name=name)
    return vars(generated_module(library.module_name(path.stem), path.resolve().parent, text))


def _job_name(path: Path | None, name: str) -> str:
    text = f"{path.stem}-{name}" if path is not None and name else (path.stem if path is not None else name)
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower().replace("_", "-")).strip("-._")[:63] or "study"


def _merged(own: Mapping[str, Any], given: Any) -> Any:
    if given is None:
        return own
    return {**own, **given} if isinstance(given, Mapping) else given


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]
