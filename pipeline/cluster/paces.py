"""How long an epoch of a study took on each node that has trained one: what its tables say, where they can be read."""

from contextlib import suppress

from pipeline.errors import UserError
from pipeline.results.load import load_results
from pipeline.storage import Store

__all__ = ["paces"]


def paces(storage: str, study: str) -> dict[str, float]:
    """Median seconds of an epoch, by node.

    Args:
        storage: Where studies lie, for the cluster; it may not be reachable from here: then nothing is known.
        study: The study's name.
    """
    with suppress(UserError):
        epochs = load_results(Store(storage).folder(study).uri).epochs
        seconds = epochs["seconds_train"] + epochs["seconds_evaluate"]
        return {str(node): float(median) for node, median in seconds.groupby(epochs["node"]).median().items()}
    return {}
