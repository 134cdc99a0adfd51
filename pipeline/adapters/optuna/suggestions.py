"""The suggestions of an objective, found by running it and by reading its source."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pipeline.adapters.domains import probes
from pipeline.adapters.optuna.conditions import WHOLE_NUMBERS, Run, join_runs
from pipeline.adapters.optuna.suggestion_names import names_in_source
from pipeline.adapters.optuna.trial import Trial
from pipeline.adapters.parameters import Hyperparameter
from pipeline.space import Choice, IntUniform

_MAX_RUNS = 40


class _Enough(BaseException):
    """Ends an objective that runs to find its suggestions."""


def suggestions_of(
    objective: Callable[[Any], Any], subject: str, study_of: Callable[[], Any] | None = None
) -> list[Hyperparameter]:
    """The suggestions; those that are made only for some values of another one have it as their condition."""
    sites = names_in_source(objective)
    first = _run(objective, {}, sites, study_of)
    runs = [first]
    if sites is not None and first.names >= sites:
        # There are no other suggestions; another run shows whether the ranges are constant.
        runs.append(_run(objective, _others(first), sites, study_of))
    else:
        due = _each_other(first)
        known = {one.name for one in first.found}
        while due and len(runs) < _MAX_RUNS:
            run = _run(objective, due.pop(0), sites, study_of)
            runs.append(run)
            new = [one for one in run.found if one.name not in known]
            known |= {one.name for one in new}
            due += _each_other(replace(run, found=new)) if new else []
    return join_runs(runs, subject)


def _run(
    objective: Callable[[Any], Any],
    values: Mapping[str, Any],
    sites: set[str] | None,
    study_of: Callable[[], Any] | None,
) -> Run:
    suggestions: dict[str, Hyperparameter] = {}

    def seen(one: Hyperparameter) -> None:
        suggestions.setdefault(one.name, one)
        if sites is not None and suggestions.keys() >= sites:
            raise _Enough

    def report(*_: Any) -> None:
        raise _Enough

    trial = Trial(values, report, seen, study_of=study_of)
    try:
        objective(trial)
    except _Enough:
        pass
    except Exception as error:
        if type(error).__name__ != "TrialPruned" and not values:
            raise
    return Run(dict(trial.params), list(suggestions.values()))


def _others(run: Run) -> dict[str, Any]:
    """Other values of every suggestion."""
    return {
        one.name: next((value for value in probes(one.domain) if value != run.values[one.name]), run.values[one.name])
        for one in run.found
    }


def _each_other(run: Run) -> list[dict[str, Any]]:
    """The values of a run with all suggestions changed, then with each one alone set to its other values in turn."""
    single = [
        {**run.values, one.name: value}
        for one in run.found
        if isinstance(one.domain, Choice | IntUniform)
        for value in probes(one.domain, few=WHOLE_NUMBERS)
        if value != run.values[one.name]
    ]
    return [{**run.values, **_others(run)}, *single]
