"""The sentence that pictures and tables show some of many hyperparameters."""

from pipeline.results.analysis.parameters import influence_is_known
from pipeline.results.tables.load import Results


def of_shown(results: Results, shown: int, of: int) -> str:
    """The sentence that only some hyperparameters are shown; empty if all are."""
    if shown >= of:
        return ""
    which = (
        f"the {shown} with the most influence on a trial's rank, each by itself,"
        if influence_is_known(results)
        else f"the first {shown}"
    )
    return f"Of {of} hyperparameters, {which} are shown."
