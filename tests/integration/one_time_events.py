"""Events that happen once in a study, in any of its workers."""

import os


def first(marker: str | os.PathLike[str]) -> bool:
    """Whether this process is the first one that asks."""
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
