"""Find the hyperparameters of all branches of some code by running it with several values."""

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from pipeline.adapters.domains import probes
from pipeline.adapters.keras_tuner.hyperparameters import HyperParameters
from pipeline.adapters.parameters import Hyperparameter

_MAX_RUNS = 48
_SECONDS = 300.0


def discover_hyperparameters(run: Callable[[HyperParameters], None]) -> list[Hyperparameter]:
    """The hyperparameters of some code, in the order in which they are found.

    The code runs with the defaults first, then with the other values of what each run has found: each value of a choice
    or a boolean at least once, and the ends of a range.
    """
    hyperparameters: dict[Any, Hyperparameter] = {}
    due: list[dict[str, Any]] = [{}]
    seen: set[str] = set()
    asked: list[Mapping[str, Any]] = []
    started = time.monotonic()
    first = True
    while len(seen) < _MAX_RUNS and (first or time.monotonic() - started < _SECONDS):
        due = due or _unasked(hyperparameters.values(), asked, seen)
        if not due:
            break
        values = due.pop(0)
        if (key := _key(values)) in seen:
            continue
        seen.add(key)
        hp = HyperParameters(values)
        try:
            run(hp)
        except Exception:
            if first:
                raise
        first = False
        asked.append(dict(hp.values))
        new = [one for one in hp.found if (one.name, one.conditions) not in hyperparameters]
        hyperparameters.update({(one.name, one.conditions): one for one in new})
        due += _next(hp.values, new)
    return list(hyperparameters.values())


def _key(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, default=repr)


def _unasked(
    found: Iterable[Hyperparameter], asked: Sequence[Mapping[str, Any]], seen: Collection[str]
) -> list[dict[str, Any]]:
    """The next values to run for hyperparameters that no run has used, because other values led to other branches."""
    due = []
    for one in found:
        base = next((values for values in asked if one.name in values), None)
        for value in probes(one.domain) if base is not None else ():
            run = {**(base or {}), one.name: value}
            if all(values.get(one.name) != value for values in asked) and _key(run) not in seen:
                due.append(run)
    return due


def _next(values: Mapping[str, Any], new: list[Hyperparameter]) -> list[dict[str, Any]]:
    """What to run next: the new hyperparameters take their other values in turn, all together."""
    others = {
        one.name: [value for value in probes(one.domain) if value != values.get(one.name)]
        for one in new
        if one.name in values
    }
    inactive = [one for one in new if one.name not in values]
    rounds = max([0, *(len(each) for each in others.values())])
    found = [
        {**values, **{name: each[number % len(each)] for name, each in others.items() if each}}
        for number in range(rounds)
    ]
    # A condition on several values, which no run of one changed value fulfils.
    for one in inactive:
        found.append({**values, **{parent: allowed[0] for parent, allowed in one.conditions if allowed}})
    return found
