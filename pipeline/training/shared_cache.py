"""The function by which a data function lets the trials of a node share a part of a pipeline."""

from collections.abc import Callable
from typing import Any

from pipeline.errors import DataError


def shared_cache(name: str) -> Callable[[Any], Any]:
    """Let the trials of a node share a part of a tf.data pipeline: `dataset.map(decode).apply(shared_cache("train"))`.

    Like `cache()`, but shared: the first trial on a node writes the elements to disk, and other trials wait for them
    and read them. Each trial computes the steps that follow, such as `shuffle` and augmentation, itself. Outside of a
    study's trials, and where the disk has no room, the pipeline stays as it is.

    Args:
        name: A name for the part, which the data function uses once.

    Returns:
        A function for `tf.data.Dataset.apply`: it takes a pipeline and returns one with the same elements.

    Raises:
        DataError: The name is not a text. The function that is returned raises it if the pipeline is no
            tf.data.Dataset, never ends, or has other elements each time.
    """
    if not isinstance(name, str) or not name:
        raise DataError(f"shared_cache takes a name, such as shared_cache('train'); found {name!r}.")

    def apply(dataset: Any) -> Any:
        # A job file imports this function where it is read, even by commands that do not train.
        from pipeline.training.node_cache import cached_on_node

        return cached_on_node(name, dataset)

    return apply
