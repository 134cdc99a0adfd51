"""Sessions that continued a study with changed data or code: values before and after are not comparable."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow.compute as pc

from pipeline.results.tables.load import Results
from pipeline.trial_ids import draw_order

__all__ = ["AcceptedChange", "Kind", "accepted_changes"]

Kind = Literal["data", "code"]


@dataclass(frozen=True, slots=True)
class AcceptedChange:
    """A session that trained on other data, or with changed code, than the sessions before it.

    Args:
        session: Its number.
        kind: What changed: the data, or the code and the domains.
        changes: What differs, each in words.
        before: Ids of the trials that have epochs of earlier sessions.
        since: Ids of the trials that have epochs of this session or a later one.
    """

    session: int
    kind: Kind
    changes: Sequence[str]
    before: Sequence[str]
    since: Sequence[str]


def accepted_changes(results: Results, kind: Kind | None = None) -> list[AcceptedChange]:
    """The sessions of a study that began with changed data or code, in order; those of an older tunepipe recorded none.

    Args:
        results: A study's results.
        kind: Only changes of this kind; None for all.
    """
    epochs = results.table("epochs")
    accepted = []
    for session in results.sessions:
        for each in ("data", "code") if kind is None else (kind,):
            if changes := session.get(f"{each}_changes"):
                since = pc.greater_equal(epochs["session"], session["number"])
                parts = (epochs["trial_id"].filter(rows).to_pylist() for rows in (pc.invert(since), since))
                trials = [sorted(set(part), key=draw_order) for part in parts]
                accepted.append(AcceptedChange(int(session["number"]), each, tuple(changes), *map(tuple, trials)))
    return accepted
