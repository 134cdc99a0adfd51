"""`make faults`: a study with killed processes is compared with an undisturbed one and summarised in one line."""

import argparse
import sys
import tempfile
from pathlib import Path

from pipeline.schedulers import SCHEDULERS
from tests.faults.killed_study import undisturbed_and_killed
from tests.faults.many_trials import undisturbed_and_killed_driver


def main() -> int:
    """Exit code 0 if nothing was lost, left over or different."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=30, help="how many processes are killed")
    parser.add_argument("--seed", type=int, default=1, help="of the kills: whom, and when")
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--scheduler", choices=SCHEDULERS, default="fifo")
    parser.add_argument(
        "--light", type=int, metavar="TRIALS", help="instead kill the driver of a study of this many light trials"
    )
    given = parser.parse_args()
    if given.light is not None:
        return _light(given.light, kills=given.kills, seed=given.seed)
    with tempfile.TemporaryDirectory(prefix="tunepipe-faults-") as folder:
        figures = undisturbed_and_killed(
            Path(folder) / "faults",
            kills=given.kills,
            seed=given.seed,
            trials=given.trials,
            epochs=given.epochs,
            scheduler=given.scheduler,
        )
    for found in (*figures.differences, *figures.orphans, *figures.temporary):
        print(found)
    print(figures)
    return 0 if figures.whole else 1


def _light(trials: int, *, kills: int, seed: int) -> int:
    with tempfile.TemporaryDirectory(prefix="tunepipe-faults-") as folder:
        figures = undisturbed_and_killed_driver(Path(folder) / "faults", trials=trials, kills=kills, seed=seed)
    for found in (*figures.differences, *figures.temporary):
        print(found)
    print(figures)
    return 0 if figures.whole else 1


if __name__ == "__main__":
    sys.exit(main())
