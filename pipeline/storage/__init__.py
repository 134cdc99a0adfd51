"""Where a study's bytes lie, and what its tables hold."""

from pipeline.storage.checkpoints import Checkpoint, pack, unpack
from pipeline.storage.store import Store

__all__ = ["Checkpoint", "Store", "pack", "unpack"]
