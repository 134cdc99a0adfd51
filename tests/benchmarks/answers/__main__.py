"""`python -m tests.benchmarks.answers`: what each pair of scheduler and searcher finds, against asha with random draws.

For each table and number of workers the reference has ten full trainings' worth of epochs. A pair's ratio is the share
of them after which the mean of its regret over the seeds is as low as the reference's at the end; intervals are 90%
by bootstrap over the seeds. Figures of development tables influenced the choices, those of
judging tables have not.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.answers.earlier import KINDS, earlier_study
from tests.benchmarks.answers.optuna_peer import OptunaHalving, OptunaHyperband
from tests.benchmarks.answers.peer import Peer, peer_regrets
from tests.benchmarks.answers.ray_peer import RayBOHB
from tests.benchmarks.answers.simulated import BUDGET, PAIRS, REFERENCE, SIMULATED
from tests.benchmarks.answers.studies import STUDIES
from tests.benchmarks.answers.surrogate import Surrogate
from tests.benchmarks.answers.syne_tune_peer import SyneTuneBOHB
from tests.benchmarks.answers.tables import Live, Table

PEERS: Mapping[str, Callable[[Table, int, int], Peer]] = {
    "optuna tpe+hyperband": OptunaHyperband,
    "optuna tpe+halving": OptunaHalving,
    "ray bohb": RayBOHB,
    "syne-tune bohb": SyneTuneBOHB,
}
"""Other libraries' studies, by name; the last two need packages that the environment lacks."""
BEYOND = SIMULATED / BUDGET
"""Stands for a ratio that was not reached in the simulated epochs."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.answers", description=__doc__)
    parser.add_argument("--split", choices=["development", "judging"], default="judging")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--workers", default="1,8,32")
    parser.add_argument(
        "--pairs",
        default="promoting+curves,halving+curves",
        help=f"of {', '.join([*PAIRS, *PEERS])}, or all except the last two; PAIR<KIND "
        f"learns from an earlier study: {', '.join(KINDS)} (development tables)",
    )
    parser.add_argument("--against", default=REFERENCE, help="the pair with which all are compared")
    parser.add_argument("--tables", default="", help="these alone")
    curves = parser.add_mutually_exclusive_group()
    curves.add_argument("--live", action="store_true", help="train every config for real, and look nothing up")
    curves.add_argument("--surrogate", action="store_true", help="curves of a smooth model of the recorded ones")
    parser.add_argument("--to", type=Path, default=Path("answers.json"), help="where the figures are written")
    arguments = parser.parse_args()
    pairs = [*PAIRS, *list(PEERS)[:2]] if arguments.pairs == "all" else arguments.pairs.split(",")
    names = arguments.tables.split(",") if arguments.tables else _of(arguments.split)
    source = Live if arguments.live else Surrogate if arguments.surrogate else Table
    found: list[dict[str, object]] = []
    for workers in map(int, arguments.workers.split(",")):
        for name in names:
            table = source(name)
            simulated = {
                pair: _regrets(table, pair, workers, arguments.seeds)
                for pair in dict.fromkeys([arguments.against, *pairs])
            }
            for pair in simulated:
                figures = _figures(simulated[arguments.against], simulated[pair])
                found.append({"table": name, "workers": workers, "pair": pair, "seeds": arguments.seeds, **figures})
                print(_line(found[-1]), file=sys.stderr, flush=True)
            # After each, so that an hour's work is not lost with the last one.
            arguments.to.write_text(json.dumps(found, indent=1))
    print("\n".join(_summary(found)))


def _of(split: str) -> list[str]:
    return [name for name, study in STUDIES.items() if study.split == split]


def _regrets(table: Table, pair: str, workers: int, seeds: int) -> np.ndarray:
    """Regrets, a row for each seed."""
    pair, _, kind = pair.partition("<")
    if kind:
        regrets = PAIRS[pair].regrets
        return np.array([regrets(table, seed, workers, earlier_study(table.name, kind, seed)) for seed in range(seeds)])
    if pair in PEERS:
        peers = (PEERS[pair](table, seed, workers) for seed in range(seeds))
        return np.array([peer_regrets(table, peer, workers, SIMULATED) for peer in peers])
    return np.array([PAIRS[pair].regrets(table, seed, workers) for seed in range(seeds)])


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
