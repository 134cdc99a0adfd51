"""Pipelines that a data function does not build itself: trials of a worker read the same one, one after the other."""

from collections.abc import Callable
from typing import Any

from pipeline.datasets import Dataset
from pipeline.study.reachable_objects import reachable
from pipeline.training.pipeline_state import changes_because, stages_of


def outer_pipeline(data: Dataset, function: Callable[..., Any]) -> str | None:
    """Which pipeline gives each trial other batches because the data function only returns it, as a clause."""
    import tensorflow as tf

    known = {id(value) for value in reachable([function], (tf.data.Dataset,)) if isinstance(value, tf.data.Dataset)}
    for name, split in data.pipelines.items():
        if name != "test" and isinstance(split, tf.data.Dataset):
            outer = (stage for stage in stages_of(split) if id(stage) in known)
            if any(changes_because(stage) is not None for stage in outer):
                return (
                    f"its {name} data come from a tf.data pipeline that is built outside the data function, so each "
                    "trial continues to read it where the last one stopped; build it in the function"
                )
    return None
