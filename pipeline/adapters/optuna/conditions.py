"""The conditions of an objective's suggestions, from several runs: which suggestion decides whether another is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.adapters.domains import identity, probes
from pipeline.adapters.parameters import Hyperparameter
from pipeline.errors import Fault, InvalidJob
from pipeline.space import Choice, IntUniform

WHOLE_NUMBERS = 10
"""A range of at most this many whole numbers is tried in full, since each of them may decide about others."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of an objective that finds suggestions."""

    values: Mapping[str, Any]
    found: Sequence[Hyperparameter]

    @property
    def names(self) -> set[str]:
        """Their names."""
        return {one.name for one in self.found}


def join_runs(runs: Sequence[Run], subject: str) -> list[Hyperparameter]:
    """The suggestions of all runs, with the conditions under which they are made."""
    suggestions: dict[str, Hyperparameter] = {}
    faults: dict[str, Fault] = {}
    for run in runs:
        for one in run.found:
            known = suggestions.setdefault(one.name, one)
            if repr(known.domain) != repr(one.domain):
                faults[one.name] = Fault(
                    one.line,
                    f"{one.name} in {known.domain!r} and in {one.domain!r}",
                    "must have a range that does not depend on other suggestions: suggest a share, such as "
                    "suggest_float(name, 0, 1), and multiply",
                )
    joined = []
    for one in suggestions.values():
        present = [one.name in run.names for run in runs]
        if all(present):
            joined.append(one)
            continue
        condition = _condition(one, runs, present, suggestions)
        if condition is None:
            allowed = (
                "must be suggested in each trial, or depend only on the value of one categorical or integer suggestion"
            )
            faults.setdefault(one.name, Fault(one.line, one.name, allowed))
        else:
            joined.append(replace(one, conditions=(condition,)))
    if faults:
        raise InvalidJob(subject, list(faults.values()))
    return joined


def _condition(
    one: Hyperparameter, runs: Sequence[Run], present: Sequence[bool], found: Mapping[str, Hyperparameter]
) -> tuple[str, tuple[Any, ...]] | None:
    """The suggestion whose value decides whether another is made, and the values that lead to it."""
    for parent, known in found.items():
        if parent == one.name or not isinstance(known.domain, Choice | IntUniform):
            continue
        made: dict[str | None, set[bool]] = {}
        for run, there in zip(runs, present, strict=True):
            if parent in run.names:
                made.setdefault(identity(run.values[parent]), set()).add(there)
            elif there:
                made.setdefault(None, set()).update((True, False))
        decided = all(len(each) == 1 for each in made.values())
        tried = {identity(value): value for value in probes(known.domain, few=WHOLE_NUMBERS)}
        every = tried.keys() <= made.keys() and len(tried) == known.domain.count
        if decided and every and {True} in made.values() and {False} in made.values():
            return parent, tuple(value for key, value in tried.items() if made[key] == {True})
    return None
