"""Other libraries' studies, simulated over the same tables: an epoch of compute at a time."""

import heapq
from typing import Literal, Protocol

import numpy as np

from pipeline.space import Config
from tests.benchmarks.answers.studies import EPOCHS
from tests.benchmarks.answers.tables import Table

__all__ = ["Peer", "Verdict", "peer_regrets"]

Verdict = Literal["continue", "pause", "stop"]


class Peer(Protocol):
    """What decides in another library's study."""

    def next(self) -> tuple[int, Config]:
        """The number and the config of the trial that a free worker starts, or continues after a pause."""
        ...

    def reported(self, number: int, epoch: int, loss: float) -> Verdict:
        """What a trial does after a report. One that has trained all of its epochs ends, whatever the answer.

        Args:
            number: The trial's.
            epoch: The epochs that it has trained.
            loss: Its loss after them.
        """
        ...


def peer_regrets(table: Table, peer: Peer, workers: int, epochs: int) -> np.ndarray:
    """The regret after each epoch of compute, from 1 to `epochs`.

    Args:
        table: The curves.
        peer: What decides.
        workers: How many trials train in parallel, an epoch each in turn.
        epochs: How many epochs.
    """
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
