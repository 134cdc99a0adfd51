"""The duration of a study's epochs on each node, from its tables."""

from contextlib import suppress

from pipeline.errors import UserError
from pipeline.results.analysis.epoch_timing import steady_seconds
from pipeline.results.tables.load import load_results
from pipeline.storage import Store


def epoch_seconds_by_node(storage: str, study: str) -> dict[str, float]:
    """Median seconds of a steady epoch, by node."""
    with suppress(UserError):
        epochs = load_results(Store(storage).folder(study).uri).epochs
        steady = steady_seconds(epochs)
        medians = steady.groupby(epochs.loc[steady.index, "node"]).median()
        return {str(node): float(median) for node, median in medians.items()}
    return {}
