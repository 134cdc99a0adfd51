"""`python -m tests.benchmarks`: measure, show, and write benchmarks.json."""

import argparse
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from tests.benchmarks import answer, epoch, page, pipelines, reading, scale, search, startup
from tests.benchmarks.figures import Measured, Options, show, write

_BENCHMARKS: dict[str, Callable[[Options, Callable[[str], None]], Measured]] = {
    "epoch": epoch.measure,
    "pipelines": pipelines.measure,
    "startup": startup.measure,
    "search": search.measure,
    "reading": reading.measure,
    "page": page.measure,
    "scale": scale.measure,
    "answer": answer.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each side is measured; medians count")
    parser.add_argument("--only", action="append", choices=_BENCHMARKS, help="measure this one; may be repeated")
    parser.add_argument("--quick", action="store_true", help="a smoke test with few trials; its numbers mean nothing")
    parser.add_argument("--to", type=Path, default=Path("benchmarks.json"), help="where the figures are written")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long each tool tunes in `answer`")
    arguments = parser.parse_args()
    options = Options(rounds=arguments.rounds, quick=arguments.quick, minutes=arguments.minutes)
    console = Console()
    measured = {}
    for name in arguments.only or _BENCHMARKS:
        measured[name] = _BENCHMARKS[name](options, lambda line, name=name: console.print(f"{name}: {line}"))
        # After each, so that an hour's work is not lost with the last one.
        write(arguments.to, measured, options)
    show([figure for each in measured.values() for figure in each.figures], console)
    console.print(f"Every measurement: {arguments.to}")


if __name__ == "__main__":
    main()
