"""The objective against its cost: updates of the weights, and seconds of training."""

import numpy as np
import pandas as pd

from pipeline.results.tables.load import Results
from pipeline.space import Domain
from pipeline.storage.schema import metric_column

COSTS = {"updates": "updates of the weights", "seconds": "seconds of training"}
"""The costs of an epoch that can be shown."""


_NAMED = 12


def has_costs(results: Results) -> bool:
    """Whether batch sizes differ, so that epochs of different trials cost different amounts, and updates were
    counted.
    """
    counted = "updates" in results.epochs and results.epochs["updates"].notna().any()
    return bool(counted) and isinstance(results.space.get("batch_size"), Domain)


def costs(results: Results) -> pd.DataFrame:
    """The objective of every epoch with its cost until then."""
    rows = results.epochs[["trial_id", "updates", "seconds_train"]].copy()
    rows["value"] = results.epochs[metric_column(results.objective.metric)]
    rows["seconds"] = rows["seconds_train"].groupby(rows["trial_id"]).cumsum()
    known = rows[np.isfinite(rows["value"].to_numpy(np.float64)) & rows["updates"].notna()]
    costs: pd.DataFrame = known[["trial_id", "value", "updates", "seconds"]].astype({"updates": "float64"})
    return costs


def names_batches(results: Results) -> bool:
    """Whether lines are few enough to be named."""
    return int(costs(results)["trial_id"].nunique()) <= _NAMED
