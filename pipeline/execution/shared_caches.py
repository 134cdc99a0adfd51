"""Where the workers of a session keep the caches that the trials of a node share."""

import shutil
import uuid
from collections.abc import Sequence

from pipeline.datasets import FREE_DISK_BYTES, SharedPart
from pipeline.errors import StorageError
from pipeline.storage import Store
from pipeline.storage.scratch import SharedFolder, shared_root
from pipeline.study import layout
from pipeline.text import counted, listed, size


def shared_caches(store: Store, session: int | None) -> SharedFolder:
    """The folder of the caches of this machine, the same for all workers of a session.

    A session has the same code, data and versions from start to end, which caches of another session may not have.
    """

    def key() -> str:
        if session is not None:
            try:
                # A study that was deleted may have had the same name and number.
                return str(store.read_json(layout.session(session))["mark"])
            except (FileNotFoundError, StorageError, KeyError, TypeError):
                pass
        return uuid.uuid4().hex

    return SharedFolder(key)


def sharing_in_words(parts: Sequence[SharedPart]) -> str | None:
    """What the trials of a node share, and where, as a clause; None if they share nothing."""
    if not parts:
        return None
    named = listed([f"{part.name!r} ({_extent(part)})" for part in parts])
    return (
        f"the trials of a node share {named}: one of them writes it to the node's temporary folder (here "
        f"{shared_root()}, {size(_free())} free), the others read it there"
    )


def no_room(parts: Sequence[SharedPart]) -> str | None:
    """Why parts cannot be shared on this machine, as a sentence; None if they can, as far as is known."""
    need = sum(part.bytes or 0 for part in parts)
    if not parts or need + FREE_DISK_BYTES <= _free():
        return None
    return f"They need {size(need)}, for which {shared_root()} has no room here: each trial computes them in each epoch"


def _extent(part: SharedPart) -> str:
    count = "an unknown number of elements" if part.count is None else counted(part.count, "element")
    return count if part.bytes is None else f"{count}, {size(part.bytes)}"


def _free() -> int:
    return shutil.disk_usage(shared_root()).free
