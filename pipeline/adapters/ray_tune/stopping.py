"""When a program of Ray Tune ends its trials: `stop` of RunConfig and of tune.run.

The longest trial and the longest study are limits of the budget. Other rules are asked after each report of a trial,
in the trial itself.
"""

import copy
import time
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.adapters.metrics import flat
from pipeline.execution.ray.internals import stopper_facts

_REPORTS = "training_iteration"
_STUDY = ("ExperimentPlateauStopper",)
"""Stoppers that compare all trials."""


class Rules:
    """The rules that end one trial."""

    def __init__(self, stop: Any, trial: str, count: int = 0) -> None:
        self._trial, self.count, self._started = trial, count, time.monotonic()
        rules = [rule for rule in _parts(stop) if _kind(rule) not in _STUDY]
        try:
            # A rule that remembers a trial's results begins again where the trial is replayed.
            self._rules: list[Any] = copy.deepcopy(rules)
        except Exception:  # the rules are the user's own
            self._rules = rules

    def end_after(self, metrics: Mapping[str, Any]) -> bool:
        """Whether the trial ends after a report: by a rule, or because the report says `done`."""
        self.count += 1
        result = {
            _REPORTS: self.count,
            "time_total_s": time.monotonic() - self._started,
            "trial_id": self._trial,
            "done": False,
            **metrics,
        }
        # Each rule is asked, since it may count.
        answers = [_ends(rule, self._trial, result) for rule in self._rules]
        return any(answers) or bool(result["done"])


def max_reports_of(stop: Any) -> int | None:
    """The maximum number of reports of a trial; None if no rule limits it."""
    bounds = [rule.get(_REPORTS) for rule in _parts(stop) if isinstance(rule, Mapping)]
    counts = [*bounds, *(stopper_facts(rule)["longest"] for rule in _parts(stop))]
    return min((int(count) for count in counts if count is not None), default=None)


def seconds_of(stop: Any) -> float | None:
    """The maximum number of seconds of a study; None if no rule limits it."""
    limits = [stopper_facts(rule)["seconds"] for rule in _parts(stop)]
    return min((float(seconds) for seconds in limits if seconds is not None), default=None)


def ignored_rules(stop: Any) -> list[str]:
    """The rules that nothing asks, in words."""
    return [f"{_kind(rule)} is ignored: a trial does not know the results of others." for rule in _parts(stop)
            if _kind(rule) in _STUDY]  # fmt: skip


def _parts(stop: Any) -> list[Any]:
    """The rules of a `stop`: a dict, a function, a stopper, or a list of stoppers."""
    if isinstance(stop, list | tuple):
        return [part for each in stop for part in _parts(each)]
    if (inner := stopper_facts(stop)["stoppers"]) is not None:
        return _parts(list(inner))
    return [stop] if callable(stop) or isinstance(stop, Mapping) else []


def _kind(rule: Any) -> str:
    return type(rule).__name__


def _ends(rule: Any, trial: str, result: Mapping[str, Any]) -> bool:
    if isinstance(rule, Mapping):
        values = flat(result)
        return any(name in values and values[name] >= bound for name, bound in rule.items() if name != _REPORTS)
    ends: Callable[[str, dict[str, Any]], Any] = rule
    return bool(ends(trial, dict(result)))
