"""What two studies of one job must have in common, however often something died in one of them."""

import pandas as pd

from pipeline.results import Results

__all__ = ["comparable", "differences"]

_OF_ITS_ATTEMPT = {"session", "attempt", "attempts", "number", "time", "node", "checkpoint", "bytes_checkpoint"}
"""Columns that tell how a row came about; beside them, those of seconds."""

_FATE = ("start", "stop", "fail", "finish")
"""What is decided once in a trial's life, however often its worker or its driver dies."""


def comparable(results: Results) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Epochs, trials and the decisions about a trial's fate, without what only tells how a row came about."""
    fate = results.decisions[results.decisions["kind"].isin(_FATE)]
    frames = (results.epochs, results.trials, fate.sort_values(["trial_id", "number"]))
    kept = [
        frame[[name for name in frame if name not in _OF_ITS_ATTEMPT and not name.startswith("seconds")]]
        for frame in frames
    ]
    epochs, trials, decisions = (frame.reset_index(drop=True) for frame in kept)
    return epochs, trials, decisions


def differences(wanted: Results, found: Results) -> list[str]:
    """Where the tables of two studies differ, a sentence for each table; nothing where they are equal."""
    told = []
    for name, a, b in zip(("epochs", "trials", "decisions"), comparable(wanted), comparable(found), strict=True):
        try:
            pd.testing.assert_frame_equal(a, b, check_exact=True)
        except AssertionError as error:
            told.append(f"{name}: {error}")
    return told
