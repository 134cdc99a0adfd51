"""Other libraries' studies, simulated over the same tables: an epoch of compute at a time."""

import heapq
from typing import Literal, Protocol

import numpy as np

from pipeline.space import Config
from tests.benchmarks.answers.studies import EPOCHS
from tests.benchmarks.answers.tables import Table

Verdict = Literal["continue", "pause", "stop"]


class Peer(Protocol):
    """What decides in another library's study."""

    def next(self) -> tuple[int, Config]:
        """The number and the config of the trial that a free worker starts, or continues after a pause."""
        ...

    def reported(self, number: int, epoch: int, loss: float) -> Verdict:
        """What a trial does after a report. One that has trained all of its epochs ends, whatever the answer."""
        ...


def peer_regrets(table: Table, peer: Peer, workers: int, epochs: int) -> np.ndarray:
    """The regret after each epoch of compute, from 1 to `epochs`."""
    found, best = np.full(epochs, np.nan), np.inf
    running: list[tuple[int, int]] = []
    done: dict[int, int] = {}
    curves: dict[int, np.ndarray] = {}
    for spent in range(epochs):
        if len(running) < workers:
            number, config = peer.next()
            if number not in curves:
                curves[number] = np.array(table.curve(number, 1, config).values)
            heapq.heappush(running, (spent, number))
        _, number = heapq.heappop(running)
        epoch = done[number] = done.get(number, 0) + 1
        loss = float(curves[number][epoch - 1])
        best = min(best, loss)
        found[spent] = table.regret(best)
        if peer.reported(number, epoch, loss) == "continue" and epoch < EPOCHS:
            heapq.heappush(running, (spent + workers, number))
    return found
