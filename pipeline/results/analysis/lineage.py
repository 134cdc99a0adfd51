"""Whose weights a trial continues with, and the ancestry of the best model."""

from dataclasses import dataclass

import pandas as pd

from pipeline.results.tables.load import Results


@dataclass(frozen=True, slots=True)
class LineageSegment:
    """Epochs that one trial contributed to a model."""

    trial_id: str
    after: int
    until: int
    age: int


def ancestry(results: Results) -> list[LineageSegment]:
    """Where the best model's weights came from, the oldest segment first; empty if there is no best."""
    if results.best is None:
        return []
    exploited = exploits(results)
    trial, until = results.best.trial_id, results.best.epoch
    found: list[tuple[str, int, int]] = []
    while True:
        before = exploited[(exploited["trial_id"] == trial) & (exploited["epoch"] < until)]
        if before.empty:
            found.append((trial, 0, until))
            break
        last = before.iloc[-1]
        found.append((trial, int(last["epoch"]), until))
        trial, until = str(last["parent_trial"]), int(last["parent_epoch"])
    segments, age = [], 0
    for trial, after, until in reversed(found):
        segments.append(LineageSegment(trial, after, until, age))
        age += until - after
    return segments


def exploits(results: Results) -> pd.DataFrame:
    """The decisions to take over another trial's weights; a trial's own that came later count over earlier ones."""
    decisions = results.decisions
    exploiting = decisions[(decisions["kind"] == "exploit") & decisions["parent_epoch"].notna()]
    return exploiting.drop_duplicates(["trial_id", "epoch"], keep="last").sort_values("epoch", kind="stable")
