"""How often a worker's node needs checkpoints at least."""

import math
import os

from pipeline.errors import ResourcesUnmet

CHECKPOINT_SECONDS = "TUNEPIPE_CHECKPOINT_SECONDS"
"""An environment variable of nodes that may be taken away at any time: trials there write a checkpoint at least this
often, in seconds, whatever the job says."""


def node_seconds() -> float:
    """The longest time between two checkpoints on this node, in seconds; infinite if it has no limit."""
    text = os.environ.get(CHECKPOINT_SECONDS, "")
    try:
        return float(text) if text else math.inf
    except ValueError:
        raise ResourcesUnmet(f"{CHECKPOINT_SECONDS} is {text!r}; it must be a number of seconds.") from None
