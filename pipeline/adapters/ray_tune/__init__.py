"""Ray Tune: a function that reports by `tune.report`, as it is, with its param_space.

Each report is an epoch. A checkpoint that is reported is the function's state, and comes back by `get_checkpoint`.
"""

from pipeline.adapters.library import Library
from pipeline.adapters.ray_tune.entry_points import patches
from pipeline.adapters.ray_tune.trainable import TrainableAdapter

__all__ = ["LIBRARY", "Adapted", "running"]

TEXT = '''"""{title}, a function of Ray Tune, as the function of a job: written by tunepipe."""

from pipeline.adapters import ray_tune

with ray_tune.running({module!r}) as program:
    import {module}  # noqa: F401

TRAINABLE = ray_tune.Adapted(lambda: program(), {name!r})


def train(config, state):
    """The reports of the function."""
    return TRAINABLE.steps(config, state)
'''

LIBRARY = Library("ray-tune", "tuner.fit()", patches, TrainableAdapter, TEXT)

Adapted = TrainableAdapter
"""The class by the name that modules of stored studies import."""

running = LIBRARY.running
"""The context in which a module is imported as a program of Ray Tune."""
