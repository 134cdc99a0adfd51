"""Parts of a data function's pipelines that the trials of a node share."""

from dataclasses import dataclass

__all__ = ["FREE_DISK_BYTES", "SharedPart"]

FREE_DISK_BYTES = 2**30
"""Bytes of a node's disk that shared parts leave free: other programs need some, too."""


@dataclass(frozen=True, slots=True)
class SharedPart:
    """A part of a pipeline that the trials of a node share.

    Args:
        name: Its name, as the data function gives it.
        elements: Types and shapes of its elements.
        count: Number of its elements; None if it is not known before the part is read.
        bytes: Size of all elements; None if it is not known.
    """

    name: str
    elements: str
    count: int | None
    bytes: int | None
