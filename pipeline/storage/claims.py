"""Creating a file once in an object store: pyarrow has no request that writes only what does not exist.

Each writer first leaves a claim, a file with a name of its own. Who then sees no other claim, and no file, writes the
file; who sees another claim withdraws its own and tries again. A store lists what is written at once, so of two writers
at least one sees the other's claim, or its file.
"""

import itertools
import random
import time
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Protocol

from pipeline.storage.temporary_names import temporary_name, unfinished

_CLAIM_SECONDS = 10.0
"""How long another writer's claim counts: a writer needs it for a few requests, and a killed one leaves it."""

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
_RANDOM = random.SystemRandom()
"""Not the generator of the user's code, which may have the same seed in both processes."""


class _Files(Protocol):
    """Files of an object store."""

    def exists(self, path: str) -> bool: ...

    def sizes(self, folder: str) -> Sequence[tuple[str, int]]: ...

    def write(self, path: str, pieces: Iterable[bytes | memoryview]) -> int: ...

    def delete(self, path: str) -> None: ...


def create_once(files: _Files, path: str, content: bytes) -> bool:
    """Write a whole file, unless the file exists; of several simultaneous writers one succeeds.

    Only a writer that is stopped for longer than a claim counts, between its look and its writing, may replace a file.
    """
    others: dict[str, float] = {}
    for attempt in itertools.count():
        claim = str(PurePosixPath(path).with_name(temporary_name(PurePosixPath(path).name)))
        files.write(claim, [b"claim"])
        try:
            now = time.monotonic()
            others = {each: others.get(each, now) for each in _claims(files, path) if each != claim}
            alone = all(now - since > _CLAIM_SECONDS for since in others.values())
            # After the claims: a writer withdraws its claim when its file is there.
            if files.exists(path):
                return False
            if alone:
                files.write(path, [content])
                return True
        finally:
            files.delete(claim)
        time.sleep(_RANDOM.uniform(0.0, min(_SHORTEST_PAUSE * 2**attempt, _LONGEST_PAUSE)))
    raise AssertionError("the attempts are not limited")


def _claims(files: _Files, path: str) -> list[str]:
    folder = str(PurePosixPath(path).parent)
    return [found for found, _ in files.sizes("" if folder == "." else folder) if unfinished(found) == path]
