"""How many trials were compared at each rung, and how many of them stopped."""

import pandas as pd

from pipeline.results.tables.load import Results


def rungs_of(results: Results) -> pd.DataFrame:
    """What happened at each rung."""
    at_rungs = results.decisions[results.decisions["rung"].notna()]
    decided = at_rungs.drop_duplicates(["trial_id", "rung"], keep="last")
    rung = decided["rung"].astype(int)
    stopped = decided["kind"].eq("stop").groupby(rung).sum()
    # Where trials pause, each leaves a decision at the rungs at which its bracket compares. Elsewhere trials that
    # continue leave none, and every trial that trained that far was compared there.
    pausing = at_rungs["kind"].eq("pause").any()
    epochs = results.trials["epochs"]
    reached = [int((rung == at).sum() if pausing else (epochs >= at).sum()) for at in stopped.index]
    return pd.DataFrame({"rung": stopped.index, "reached": reached, "stopped": stopped.to_numpy(int)})
