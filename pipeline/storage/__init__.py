"""A study's files: where they are, and the schema of its tables."""

from pipeline.storage.checkpoints import Checkpoint, pack, unpack
from pipeline.storage.files import Entry, unfinished
from pipeline.storage.store import Store

__all__ = ["Checkpoint", "Entry", "Store", "pack", "unfinished", "unpack"]
