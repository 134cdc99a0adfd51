"""A study's files: where they are, and the schema of its tables."""

from pipeline.storage.checkpoints import Checkpoint, pack, unpack
from pipeline.storage.paths import Entry
from pipeline.storage.store import Store
from pipeline.storage.temporary_names import unfinished

__all__ = ["Checkpoint", "Entry", "Store", "pack", "unfinished", "unpack"]
