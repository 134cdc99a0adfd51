"""Jobs from programs of other libraries."""

import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from pipeline.adapters.keras_tuner import HypermodelAdapter
from pipeline.adapters.optuna import ObjectiveAdapter
from pipeline.adapters.program import Adapter, load, running, user_errors
from pipeline.adapters.ray_tune import TrainableAdapter
from pipeline.code.modules import SourceText, expanded, refuse_name, split_job_name
from pipeline.errors import Fault, InvalidJob, UsageError
from pipeline.space.domains import Space
from pipeline.study import TuneJob
from pipeline.study.faults import read_faults
from pipeline.text import did_you_mean, note

LIBRARIES: dict[str, type[Adapter]] = {
    each.library: each for each in (HypermodelAdapter, ObjectiveAdapter, TrainableAdapter)
}
"""The libraries whose programs become jobs, as `--from` names them."""

_SPACE = TypeAdapter(dict[Literal["space"], Space])


def adapted(library: str, module: str, name: str) -> Adapter:
    """The object of a program in a module, in the module that a study copies."""
    kind = LIBRARIES[library]
    return kind(running(module, kind.patches), name)


def from_program(place: str, library: str, /, **fields: Any) -> TuneJob:
    """A job from a program of KerasTuner, Ray Tune or Optuna.

    Args:
        place: `file.py:name`, the function or class that is tuned, or `file.py` for what the file itself would tune.
        library: `keras-tuner`, `ray-tune` or `optuna`.
        fields: Fields of the TuneJob; they count more than what the program says.

    Raises:
        InvalidJob: Something cannot be translated; names the line.
    """
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
    refuse_name(path.resolve())
    if fields.get("space") is not None:
        try:
            fields = fields | _SPACE.validate_python({"space": fields["space"]})
        except ValidationError as error:
            raise InvalidJob(path.name, read_faults(error, ["space"])) from None
    kind.prepare(fields)
    program = load(path, kind.patches)
    subject = f"{path.name}:{name}" if name else path.name
    if name and not hasattr(program.module, name):
        before = "" if program.call is None else f" before {program.call.line}, where its search starts"
        raise InvalidJob(subject, [Fault("name", name, f"must be a name that the file defines{before}")])
    if not name and program.call is None:
        allowed = f"must be given, as in {path.name}:NAME, because the file starts no search of {library}"
        raise InvalidJob(subject, [Fault("name", None, allowed)])
    tuned = name if program.call is None else getattr(program.call.target, "__name__", name)
    if name and tuned != name and hasattr(program.module, tuned):
        raise InvalidJob(subject, [Fault("name", name, f"must be {tuned}, which the search of the file tunes")])
    adapter = kind(program, name)
    job = _job(adapter, fields, subject, path)
    if adapter.ignored:
        where = "" if program.call is None else f"{program.call.line}: "
        note(f"{where}the job does not have these settings, which are ignored: {', '.join(adapter.ignored)}.")
    return job


def _job(adapter: Adapter, given: Mapping[str, Any], subject: str, path: Path) -> TuneJob:
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
    text = f"{path.stem}-{adapter.name}".lower().replace("_", "-")
    fields["name"] = re.sub(r"[^a-z0-9._-]+", "-", text).strip("-._")[:63] or "study"
    own = {"budget", "resources", *(("data",) if fields.get("function") else ())}
    fields |= {field: value for field, value in given.items() if field not in own}
    return TuneJob(**{field: value for field, value in fields.items() if value not in ({}, None) or field == "space"})


def _functions(adapter: Adapter, subject: str, path: Path) -> dict[str, Any]:
    """The job's functions, in a module that a study copies and that imports the user's file."""
    header = _MODULE.format(title=subject, library=adapter.library, module=adapter.program.name, name=adapter.name)
    text = header + "".join(_FUNCTION.format(name=n, parameters=p) for n, p in adapter.functions.items())
    name = f"{path.stem}_from_{adapter.library.replace('-', '_')}"
    file = path.resolve().with_name(f"{name}.py")
    # As if it were a file beside the program; nothing is written there.
    loader = SourceText(file, text.encode())
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
