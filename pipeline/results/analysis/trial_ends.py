"""The trials that the scheduler or users stopped, or that ended by themselves, and the epochs that stops saved."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.engine.commands import STOPPED_BY_USER
from pipeline.engine.reporting import is_over
from pipeline.results.tables.load import Results
from pipeline.results.tables.results_cache import cache_per_results
from pipeline.study import Budget

if TYPE_CHECKING:
    import pandas as pd


@cache_per_results
def stopped_early(results: Results) -> "pd.DataFrame":
    """The trials that the scheduler stopped by comparing them with others: not those that a spent budget cut off."""
    stops = _last_stops(results)
    return _stopped(results, stops.loc[stops["cutoff"].notna() | stops["rung"].notna(), "trial_id"])


def stopped_by_users(results: Results) -> "pd.DataFrame":
    """The trials that users stopped by a command."""
    stops = _last_stops(results)
    return _stopped(results, stops.loc[stops["reason"].str.startswith(STOPPED_BY_USER), "trial_id"])


def _last_stops(results: Results) -> "pd.DataFrame":
    """The last decision to stop each trial that was ever stopped."""
    return results.decisions[results.decisions["kind"] == "stop"].drop_duplicates("trial_id", keep="last")


def _stopped(results: Results, trials: "pd.Series") -> "pd.DataFrame":
    """Those of some trials that are still stopped: a resume with a larger budget may have continued one."""
    # As a list: pandas reads a column of text value by value.
    return results.trials[results.trials["trial_id"].isin(trials.tolist()) & results.trials["state"].eq("stopped")]


def ended_by_itself(trial: Mapping[str, Any], results: Results) -> bool:
    """Whether a trial was ended by a callback or its function, and not by its maximum or the study's target."""
    budget = Budget(**results.job["budget"])
    reached = budget.target_reached(results.objective, trial["objective"], trial["violation"])
    return bool(trial["state"] == "completed" and not is_over(budget, trial["epochs"], reached=reached))


def saved_epochs(results: Results) -> tuple[int, int]:
    """Epochs that early stopping saved, and how many its trials and those that trained to the end would have had."""
    stopped, maximum = stopped_early(results), int(results.job["budget"]["epochs"])
    saved = int((maximum - stopped["epochs"]).clip(lower=0).sum())
    return saved, maximum * (len(stopped) + int((results.trials["state"] == "completed").sum()))
