"""What users decided about a whole study while it ran: a pause, its end, another budget."""

import pandas as pd

from pipeline.results.tables.load import Results

__all__ = ["study_decisions"]


def study_decisions(results: Results) -> pd.DataFrame:
    """The decisions about the whole study, in order; those of an older tunepipe were not recorded.

    Args:
        results: A study's results.

    Returns:
        The rows of `decisions` without a trial.
    """
    return results.decisions[results.decisions["trial_id"].isna()]
