"""`python -m tests.benchmarks.answers`: what each pair of scheduler and searcher finds, against asha with random draws.

For each table and number of workers the reference has ten full trainings' worth of epochs. A pair's ratio is the share
of them after which the mean of its regret over the seeds is as low as the reference's at the end; intervals are 90%
by bootstrap over the seeds. Figures of development tables influenced the choices, those of
judging tables have not.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.schedulers import ASHA, Hyperband, MedianStopping, PromotingASHA, SchedulerSettings
from pipeline.searchers import SEARCHERS
from pipeline.simulation.simulator import simulate
from pipeline.study import Budget, Objective, TuneJob
from tests.benchmarks.answers.optuna_peer import OptunaHyperband
from tests.benchmarks.answers.studies import EPOCHS, STUDIES
from tests.benchmarks.answers.surrogate import Surrogate
from tests.benchmarks.answers.tables import Table

BUDGET = 10 * EPOCHS
"""Ten full trainings' worth of epochs: what the reference has."""
SIMULATED = int(1.25 * BUDGET)
"""The epochs that are simulated: enough to see a study that needs more than the reference."""
BEYOND = SIMULATED / BUDGET
"""Stands for a ratio that was not reached in the simulated epochs."""
REFERENCE = "asha+random"
OPTUNA = "optuna tpe+hyperband"

_SCHEDULERS: Mapping[str, SchedulerSettings] = {
    "asha": ASHA(),
    # Rungs at about 6 and 23% of a trial's epochs.
    "promoting": PromotingASHA(grace_period=max(1, round(0.06 * EPOCHS)), reduction_factor=3.5),
    "hyperband": Hyperband(),
    "median": MedianStopping(),
}
PAIRS = [f"{scheduler}+{searcher}" for scheduler in _SCHEDULERS for searcher in ("random", "curves", "tpe", "gp")]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.answers", description=__doc__)
    parser.add_argument("--split", choices=["development", "judging"], default="judging")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--workers", default="1,8,32")
    parser.add_argument("--pairs", default="promoting+curves", help=f"of {', '.join([*PAIRS, OPTUNA])}, or all")
    parser.add_argument("--against", default=REFERENCE, help="the pair with which all are compared")
    parser.add_argument("--tables", default="", help="these alone")
    parser.add_argument("--surrogate", action="store_true", help="curves of a smooth model of the recorded ones")
    parser.add_argument("--to", type=Path, default=Path("answers.json"), help="where the figures are written")
    arguments = parser.parse_args()
    pairs = [*PAIRS, OPTUNA] if arguments.pairs == "all" else arguments.pairs.split(",")
    of_split = [name for name, study in STUDIES.items() if study.split == arguments.split]
    found: list[dict[str, object]] = []
    for workers in map(int, arguments.workers.split(",")):
        for name in arguments.tables.split(",") if arguments.tables else of_split:
            table = Surrogate(name) if arguments.surrogate else Table(name)
            simulated = {
                pair: np.array([_regrets(table, pair, workers, seed) for seed in range(arguments.seeds)])
                for pair in dict.fromkeys([arguments.against, *pairs])
            }
            for pair in simulated:
                figures = _figures(simulated[arguments.against], simulated[pair])
                found.append({"table": name, "workers": workers, "pair": pair, "seeds": arguments.seeds, **figures})
                print(_line(found[-1]), file=sys.stderr, flush=True)
            # After each, so that an hour's work is not lost with the last one.
            arguments.to.write_text(json.dumps(found, indent=1))
    print("\n".join(_summary(found)))


def _regrets(table: Table, pair: str, workers: int, seed: int) -> np.ndarray:
    """The regret after each epoch of compute, from 1 to SIMULATED."""
    if pair == OPTUNA:
        return OptunaHyperband(table, seed, workers).regrets(SIMULATED)
    scheduler, searcher = pair.split("+")
    job = TuneJob(
        name="answers",
        function=_recorded,
        space=dict(table.study.space),
        objectives=[Objective("loss", "min")],
        scheduler=_SCHEDULERS[scheduler],
        searcher=SEARCHERS[searcher](),
        budget=Budget(trials=2000, epochs=EPOCHS, total_epochs=SIMULATED),
        seed=seed,
    )
    found = np.full(SIMULATED, np.nan)
    for seconds, value in simulate(job, table, workers).best_curve:
        # All workers are busy all the time, and an epoch takes one second.
        found[min(max(int(seconds * workers) - 1, 0), SIMULATED - 1) :] = table.regret(value)
    return found


def _recorded(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Stands for what is trained: the tables know."""
    raise AssertionError("nothing is trained")


def _figures(reference: np.ndarray, other: np.ndarray) -> dict[str, object]:
    seeds, rng = len(reference), np.random.default_rng(0)
    ratios = []
    for _ in range(500):
        one, two = rng.integers(seeds, size=seeds), rng.integers(seeds, size=seeds)
        ratios.append(_ratio(reference[one], other[two]))
    low, high = np.percentile(ratios, [5, 95])
    final = other[:, BUDGET - 1]
    return {
        "ratio": _ratio(reference, other),
        "ratio_low": float(low),
        "ratio_high": float(high),
        "regret": float(final.mean()),
        "regret_error": float(final.std(ddof=1) / np.sqrt(seeds)) if seeds > 1 else 0.0,
    }


def _ratio(reference: np.ndarray, other: np.ndarray) -> float:
    # Before the first value nothing is found: worse than any regret.
    goal = np.nan_to_num(reference[:, BUDGET - 1], nan=1e9).mean()
    reached = np.flatnonzero(np.nan_to_num(other, nan=1e9).mean(axis=0) <= goal + 1e-12)
    return float((reached[0] + 1) / BUDGET) if len(reached) else BEYOND


def _line(row: Mapping[str, object]) -> str:
    ratio = f"{row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"
    regret = f"{row['regret']:.3f} ± {row['regret_error']:.3f}"
    return f"{row['table']:20s} {row['workers']:3d} workers  {row['pair']:22s} regret {regret}  compute {ratio}"


def _summary(rows: Sequence[Mapping[str, object]]) -> list[str]:
    lines = [f"{'pair':22s} workers  compute: median, worst (its table)        regret: mean"]
    for pair in dict.fromkeys(str(row["pair"]) for row in rows):
        for workers in dict.fromkeys(row["workers"] for row in rows):
            mine = [row for row in rows if row["pair"] == pair and row["workers"] == workers]
            worst = max(mine, key=lambda row: float(row["ratio"]))  # type: ignore[arg-type]
            middle = np.median([float(row["ratio"]) for row in mine])  # type: ignore[arg-type]
            more = "more than " if float(worst["ratio"]) >= BEYOND else ""  # type: ignore[arg-type]
            regret = np.mean([float(row["regret"]) for row in mine])  # type: ignore[arg-type]
            lines.append(
                f"{pair:22s} {workers:7d}  {middle:.2f}, {more}{worst['ratio']:.2f} ({worst['table']})  {regret:.3f}"
            )
    return lines


if __name__ == "__main__":
    main()
