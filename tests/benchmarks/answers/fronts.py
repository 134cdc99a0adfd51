"""`python -m tests.benchmarks.answers.fronts`: what each pair of scheduler and searcher finds with two objectives.

The objectives are the loss of a development table and the number of parameters of what its config trains (leaves of a
tree, for boosting), which is the same after each epoch. A study has ten full trainings' worth of epochs. Its figure is
the hypervolume of its front as a share of that of the table's own front, in the box from the best loss and the smallest
number to the best loss of the median config and the largest number; the number of parameters is on a logarithmic scale.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.pareto import hypervolume
from pipeline.schedulers import FIFO, MOASHA, PromotingMOASHA, SchedulerSettings
from pipeline.searchers import SEARCHERS
from pipeline.simulation.curves import Curve
from pipeline.simulation.simulator import simulate
from pipeline.space import Config
from pipeline.study import Objective
from tests.benchmarks.answers.simulated import BUDGET, Pair, job_of
from tests.benchmarks.answers.surrogate import Surrogate

_SCHEDULERS: dict[str, SchedulerSettings] = {
    "moasha": MOASHA(),
    "promoting-moasha": PromotingMOASHA(),
    "fifo": FIFO(),
}
_SEARCHERS = ("random", "motpe", "nsga2")

_SIZES: Mapping[str, tuple[int, int]] = {
    "digits-network": (64, 10),
    "cancer-network": (30, 2),
    "spirals-network": (2, 2),
    "friedman-network": (10, 1),
    "diabetes-boosting": (10, 1),
}
"""The inputs and outputs of what each table trains; one without anything to count is left out."""


class TwoObjectives(Surrogate):
    """Smooth learning curves with the number of parameters as a second objective."""

    def size(self, config: Config) -> float:
        """The number of parameters, or of leaves of a tree."""
        if "depth" in config:
            return float(2 ** int(config["depth"]))
        inputs, outputs = _SIZES[self.name]
        width, layers = int(config["width"]), int(config.get("layers", 1))
        return float((inputs + 1) * width + (layers - 1) * (width + 1) * width + (width + 1) * outputs)

    def curve(self, index: int, segment: int, config: Config) -> Curve:
        """The config's curve, with its number of parameters at each epoch."""
        curve = super().curve(index, segment, config)
        return replace(curve, others={"parameters": [self.size(config)] * len(curve.values)})

    def share(self, front: Sequence[tuple[float, ...]]) -> float:
        """The hypervolume of a front, as a share of that of many random configs that are trained to their ends."""
        return self._volume(np.array(front)) / self._of_all

    @cached_property
    def _drawn(self) -> np.ndarray:
        # Row by row the configs of `losses`.
        configs = self.drawn()
        return np.stack([self.losses.min(axis=1), [self.size(config) for config in configs]], axis=1)

    @cached_property
    def _of_all(self) -> float:
        return self._volume(self._drawn)

    def _volume(self, points: np.ndarray) -> float:
        least, most = np.log(self._drawn[:, 1].min()), np.log(self._drawn[:, 1].max())
        scaled = np.stack([self.regret_of(points[:, 0]), (np.log(points[:, 1]) - least) / (most - least)], axis=1)
        # A value better than the best of the table counts as the best.
        return hypervolume(np.maximum(scaled, 0.0), [1.0, 1.0])

    def regret_of(self, losses: np.ndarray) -> np.ndarray:
        """The regret of each loss."""
        regrets: np.ndarray = (losses - self.best) / max(self.middle - self.best, 1e-12)
        return regrets


def _shares(table: TwoObjectives, scheduler: str, searcher: str, workers: int, seeds: int) -> list[float]:
    shares = []
    for seed in range(seeds):
        job: Any = job_of(table, Pair(_SCHEDULERS[scheduler], "random"), seed, epochs=BUDGET)
        two = [Objective("loss", "min"), Objective("parameters", "min")]
        job = job.replaced({"objectives": two, "searcher": SEARCHERS[searcher]()})
        shares.append(table.share(simulate(job, table, workers).front))
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.answers.fronts", description=__doc__)
    parser.add_argument("--seeds", type=int, default=15)
    parser.add_argument("--workers", default="1,8,32")
    parser.add_argument("--tables", default=",".join(_SIZES))
    pairs = [f"{scheduler}+{searcher}" for scheduler in _SCHEDULERS for searcher in _SEARCHERS]
    parser.add_argument("--pairs", default=",".join(pairs), help="of these")
    parser.add_argument("--to", type=Path, default=Path("fronts.json"), help="where the shares are written")
    arguments = parser.parse_args()
    found: list[dict[str, Any]] = []
    for workers in map(int, arguments.workers.split(",")):
        for name in arguments.tables.split(","):
            table = TwoObjectives(name)
            for pair in arguments.pairs.split(","):
                shares = _shares(table, *pair.split("+"), workers, arguments.seeds)
                found.append({"table": name, "workers": workers, "pair": pair, "shares": shares})
                error = np.std(shares, ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else np.nan
                line = f"{name:20s} {workers:3d} workers  {pair:24s} {np.mean(shares):.3f} ± {error:.3f}"
                print(line, file=sys.stderr, flush=True)
            arguments.to.write_text(json.dumps(found, indent=1))
    print("\n".join(_summary(found)))


def _summary(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Means over the tables, with errors over the seeds."""
    lines = [f"{'pair':24s} workers  hypervolume"]
    for pair, workers in dict.fromkeys((row["pair"], row["workers"]) for row in found):
        shares = np.array([row["shares"] for row in found if (row["pair"], row["workers"]) == (pair, workers)])
        error = np.sqrt((shares.var(axis=1, ddof=1) / shares.shape[1]).sum()) / len(shares)
        lines.append(f"{pair:24s} {workers:7d}  {shares.mean():.3f} ± {error:.3f}")
    return lines


if __name__ == "__main__":
    main()
