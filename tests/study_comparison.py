"""What two studies of one job must have in common if processes of one of them died."""

import pandas as pd

from pipeline.results import Results

_OF_ITS_ATTEMPT = {"session", "attempt", "attempts", "number", "time", "node", "checkpoint", "bytes_checkpoint"}
"""Columns that say how a row came about, and those of seconds."""

_ENDS = {"stop": "stopped", "complete": "completed", "fail": "failed"}

_FATE = ("start", "stop", "fail", "complete")
"""What is decided once in a trial's life, however often its worker or its driver dies."""


def comparable(results: Results) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Epochs, trials and decisions, without the columns that depend only on how a row was created."""
    # A decision about the whole study, such as a user's stop, has no epoch, which makes that column another type.
    fate = results.decisions.dropna(subset="trial_id").astype({"epoch": "Int64"})
    fate = fate[fate["kind"].isin(_FATE)]
    frames = (results.epochs, results.trials, fate.sort_values(["trial_id", "number"]))
    kept = [
        frame[[name for name in frame if name not in _OF_ITS_ATTEMPT and not name.startswith("seconds")]]
        for frame in frames
    ]
    epochs, trials, decisions = (frame.reset_index(drop=True) for frame in kept)
    return epochs, trials, decisions


def differences(wanted: Results, found: Results) -> list[str]:
    """The differences of two studies' tables, a sentence for each table; nothing if they are equal."""
    reported = []
    for name, a, b in zip(("epochs", "trials", "decisions"), comparable(wanted), comparable(found), strict=True):
        try:
            pd.testing.assert_frame_equal(a, b, check_exact=True)
        except AssertionError as error:
            reported.append(f"{name}: {error}")
    return reported


def where_both_trained(wanted: Results, found: Results) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The epochs that both studies have, without the columns that depend on how a row was created.

    Who is stopped where depends on who reports first; what a trial learns in an epoch does not.
    """
    frames = [comparable(each)[0].set_index(["trial_id", "epoch"]) for each in (wanted, found)]
    both = frames[0].index.intersection(frames[1].index)
    one, other = (frame.loc[both].reset_index() for frame in frames)
    return one, other


def contradictions(results: Results) -> list[str]:
    """What no scheduler can cause: missing or repeated epochs, and tables that contradict each other."""
    reported = []
    last = results.decisions[results.decisions["kind"].isin(_ENDS)].drop_duplicates("trial_id", keep="last")
    ends = dict(zip(last["trial_id"], last["kind"], strict=True))
    trained = {str(trial_id): rows for trial_id, rows in results.epochs.groupby("trial_id")}
    for trial in results.trials.itertuples():
        rows = trained.get(str(trial.trial_id), results.epochs.iloc[:0])
        if list(rows["epoch"]) != list(range(1, int(trial.epochs) + 1)):
            reported.append(f"trial {trial.trial_id}: has {trial.epochs} epochs, and the rows {list(rows['epoch'])}")
        if _ENDS.get(ends.get(trial.trial_id, "")) != trial.state:
            reported.append(
                f"trial {trial.trial_id}: is {trial.state}, and its last decision {ends.get(trial.trial_id)}"
            )
        if not rows["segment"].is_monotonic_increasing:
            reported.append(f"trial {trial.trial_id}: goes back to an earlier segment")
    taken_over = results.decisions[results.decisions["kind"] == "exploit"]
    known = set(zip(results.epochs["trial_id"], results.epochs["epoch"], strict=True))
    reported += [
        f"trial {row.trial_id}: took over {row.parent_trial} at epoch {row.parent_epoch}, which has no such row"
        for row in taken_over.itertuples()
        if (row.parent_trial, row.parent_epoch) not in known
    ]
    return reported
