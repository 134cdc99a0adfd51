"""Why values of several studies cannot be compared: they were measured on different data, or differently."""

import json
from collections.abc import Mapping
from typing import Any, get_args

from pipeline.datasets import differences
from pipeline.results.analysis.accepted_changes import Kind, accepted_changes
from pipeline.results.tables.load import Results


def comparability_problems(studies: Mapping[str, Results]) -> list[str]:
    """Why studies cannot be compared, in sentences; empty if no reason is known."""
    return [text for text in (_data(studies), _continued(studies), _folds(studies)) if text]


def _data(studies: Mapping[str, Results]) -> str:
    if all(results.data is not None for results in studies.values()):
        groups = _grouped({name: results.data for name, results in studies.items()})
        if len(groups) < 2:
            return ""
        first, second = (studies[names[0]] for names in groups[:2])
        changes = differences(first.data or {}, second.data or {})
        if not changes:
            # Data functions of the config, which share no combination that differs.
            return ""
        return f"They were trained on different data: {_listed(groups, studies)}. In the second, {'; '.join(changes)}."
    # An older tunepipe kept no fingerprint: only the names of the data in the jobs can be compared.
    groups = _grouped({name: results.job["data"] for name, results in studies.items()})
    if len(groups) < 2:
        return ""
    return f"They may have been trained on different data: {_listed(groups, studies)}."


def _continued(studies: Mapping[str, Results]) -> str:
    sentences = []
    for name, results in studies.items():
        for kind in get_args(Kind):
            if numbers := [str(change.session) for change in accepted_changes(results, kind)]:
                sentences.append(f"{name} was continued with changed {kind} in session {' and '.join(numbers)}.")
    return " ".join(sentences)


def _folds(studies: Mapping[str, Results]) -> str:
    groups = _grouped({name: results.job.get("folds", 1) for name, results in studies.items()})
    if len(groups) < 2:
        return ""
    text = ", ".join(f"{', '.join(names)} by {studies[names[0]].job.get('folds', 1)} folds" for names in groups)
    return f"They were evaluated on different rows: {text.replace(' 1 folds', ' the validation split')}."


def _grouped(values: Mapping[str, Any]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for name, value in values.items():
        groups.setdefault(json.dumps(value, sort_keys=True), []).append(name)
    return list(groups.values())


def _listed(groups: list[list[str]], studies: Mapping[str, Results]) -> str:
    return ", ".join(f"{', '.join(names)} on {_called(studies[names[0]].job['data'])}" for names in groups)


def _called(data: Any) -> str:
    if isinstance(data, Mapping):
        return f"what {str(data['function']).rpartition(':')[2]}() returns"
    return "no data set" if data is None else str(data)
