"""Names that exist, such as those of fields, and a message for a name that does not."""

import dataclasses
import re
import sys
from collections.abc import Iterable
from typing import Any

from pipeline.errors import Fault
from pipeline.wording import closest

_CALLS = {
    "Objective": "Objective('val_accuracy', 'max')",
    "Choice": "Choice([8, 16, 32])",
    "Grid": "Grid([8, 16, 32])",
    "Uniform": "Uniform(0.0, 0.5)",
    "LogUniform": "LogUniform(1e-4, 1e-1)",
    "IntUniform": "IntUniform(1, 4)",
}
"""How classes of the package are called, where their fields alone do not show it."""

_ELSEWHERE = {
    "objectives=[Objective('val_accuracy', 'max')]": ("direction", "directions", "objective", "metric", "mode"),
    "budget=Budget(trials=…)": ("n_trials", "max_trials", "num_samples", "num_trials"),
    "budget=Budget(epochs=…)": ("max_epochs", "max_t"),
    "budget=Budget(seconds=…)": ("timeout", "time_budget_s"),
    "resources=Resources(workers=…)": ("n_jobs", "max_concurrent_trials"),
    "searcher": ("sampler", "search_alg", "oracle"),
    "scheduler": ("pruner",),
    "space": ("param_space", "search_space", "hyperparameters"),
    "model": ("build_model", "hypermodel", "build"),
}
"""Fields as a job has them → the names that Optuna, Ray Tune and KerasTuner have for them."""


def fields_of(owner: object) -> list[str]:
    """The names of the fields of a dataclass that a user may set; empty for any other object."""
    if not dataclasses.is_dataclass(owner):
        return []
    return [field.name for field in dataclasses.fields(owner) if field.name != "kind"]


def misnamed_field(error: BaseException, line: int | None) -> Fault | None:
    """The fault of an unknown field of one of the classes of which a job consists, or of a field without its name."""
    if isinstance(error, TypeError) and "BaseModel.__init__() takes 1 positional argument" in str(error):
        found = "a field by its place" + (f" in line {line}" if line else "")
        return Fault(
            "TuneJob", found, "must get its fields by name, as in TuneJob(name='digits', model=build_model, …)"
        )
    # A search would take as long as the square of the length of a word.
    match = re.match(r"(\w+)\.__init__\(\) (got|missing|takes) .*?(?:'(\w+)'|$)", str(error))
    if not isinstance(error, TypeError) or match is None:
        return None
    name, problem, field = match[1], match[2], match[3]
    owner = _exported(name)
    if not (isinstance(owner, type) and fields_of(owner)):
        return None
    in_line = f" in line {line}" if line else ""
    call = f"{name}({', '.join(f'{each}=…' for each in fields_of(owner))})"
    if problem == "missing":
        return Fault(f"{name}.{field}", f"{name}(…){in_line}", f"must be given, as in {_CALLS.get(name, call)}")
    if problem == "takes":
        return Fault(name, f"more values{in_line}", f"must be written as {_CALLS.get(name, call)}")
    if "multiple values" in str(error):
        return Fault(f"{name}.{field}", f"two values{in_line}", f"must be given once, as in {_CALLS.get(name, call)}")
    return Fault(f"{name}.{field}", f"{field}={in_line}", unknown("field", fields_of(owner), field))


def unknown(what: str, known: Iterable[str], found: str) -> str:
    """A message that a name does not exist, with the existing names and a suggestion."""
    names = list(known)
    if what == "field" and "objectives" in names and (here := _of_other_libraries(found)) is not None:
        meant = f"; instead of {found} use {here}"
    elif what == "field" and (owner := _owner(found)) is not None and found not in names:
        meant = f"; {found} is a field of {owner}"
    else:
        near = closest(found, names, cutoff=0.5)
        meant = f"; did you mean {near}?" if near else ""
    if not names:
        return f"no such {what}; there are none{meant}"
    return f"no such {what}; available: {', '.join(names)}{meant}"


def _of_other_libraries(field: str) -> str | None:
    return next((here for here, others in _ELSEWHERE.items() if field in others), None)


def _owner(field: str) -> str | None:
    """The class that has a field, of those of which a job consists."""
    for name in ("TuneJob", "Budget", "Resources", "Fit", "Checkpoints", "Dataset"):
        owner = _exported(name)
        if field in (getattr(owner, "model_fields", None) or fields_of(owner)):
            return name
    return None


def _exported(name: str) -> Any:
    """What the package exports by a name; an import of the module that defines it would be circular."""
    return getattr(sys.modules[__name__.partition(".")[0]], name, None)
