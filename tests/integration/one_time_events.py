"""Events that happen once in a study, in any of its workers."""

import os

__all__ = ["first"]


def first(marker: str | os.PathLike[str]) -> bool:
    """Whether this process is the first one that asks.

    Args:
        marker: The file that tells the others. To look for it and then to write it would let two workers be the first.
    """
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
