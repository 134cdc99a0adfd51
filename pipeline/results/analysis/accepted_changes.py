"""Sessions that continued a study with changed data or code: values before and after are not comparable."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.results.tables.load import Results
from pipeline.results.tables.unique_rows import trial_ids, trial_positions, whole_numbers

Kind = Literal["data", "code"]


@dataclass(frozen=True, slots=True)
class AcceptedChange:
    """A session that trained on other data, or with changed code, than the sessions before it."""

    session: int
    kind: Kind
    changes: Sequence[str]
    before: Sequence[str]
    since: Sequence[str]


def accepted_changes(results: Results, kind: Kind | None = None) -> list[AcceptedChange]:
    """The sessions of a study that began with changed data or code, in order; those of an older tunepipe recorded
    none.
    """
    kinds: Sequence[Kind] = ("data", "code") if kind is None else (kind,)
    changed = [(session, each) for session in results.sessions for each in kinds if session.get(f"{each}_changes")]
    if not changed:
        return []
    epochs = results.table("epochs")
    ids = trial_ids(epochs["trial_id"])
    at, sessions = trial_positions(epochs["trial_id"].cast(ids.type), ids), whole_numbers(epochs["session"])
    first, last = np.full(len(ids), np.iinfo(np.int64).max), np.zeros(len(ids), np.int64)
    np.minimum.at(first, at, sessions)
    np.maximum.at(last, at, sessions)
    trials, accepted = np.array(ids.to_pylist(), object), []
    for session, each in changed:
        number = int(session["number"])
        before, since = trials[first < number].tolist(), trials[last >= number].tolist()
        accepted.append(AcceptedChange(number, each, tuple(session[f"{each}_changes"]), before, since))
    return accepted
