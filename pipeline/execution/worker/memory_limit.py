"""The memory that a worker's process may hold before another process replaces it between two trials."""

from pipeline.machine import Machine, process_memory, this_machine
from pipeline.study import Resources
from pipeline.wording import counted, size

_SHARED = 0.9
"""The part of a machine's memory that its workers may hold together."""

_GROWTH = 1.5
"""A worker is replaced only at this multiple of its first size: a new process would otherwise soon be as large."""


class MemoryLimit:
    """The limit of this process: `worker_gigabytes`, or its share of 90% of the machine's memory."""

    def __init__(self, resources: Resources, workers: int, machine: Machine | None = None) -> None:
        memory = (machine or this_machine()).memory
        self._given = resources.worker_gigabytes is not None
        self._bytes = _SHARED * memory / workers
        self._why = f"its share of {size(memory)} with {counted(workers, 'worker')} on the machine"
        if resources.worker_gigabytes is not None:
            self._bytes = resources.worker_gigabytes * 1e9
            self._why = "the job's resources.worker_gigabytes"
        self._first: int | None = None

    def excess(self, held: int | None = None) -> str:
        """Why this process must be replaced, in words; empty if it may continue."""
        if held is None:
            held = process_memory()
        if self._first is None:
            self._first = held
        if held <= self._bytes or (not self._given and held < _GROWTH * self._first):
            return ""
        return f"it uses {size(held)}, more than {size(self._bytes)}, {self._why}"
