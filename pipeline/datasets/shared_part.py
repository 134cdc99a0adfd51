"""Parts of a data function's pipelines that the trials of a node share."""

from dataclasses import dataclass

FREE_DISK_BYTES = 2**30
"""Bytes of a node's disk that shared parts leave free: other programs need some, too."""


@dataclass(frozen=True, slots=True)
class SharedPart:
    """A part of a pipeline that the trials of a node share."""

    name: str
    elements: str
    count: int | None
    bytes: int | None
