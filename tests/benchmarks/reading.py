"""Results, explanation and report of a study of 10,000 trials of 50 epochs: seconds, and their limits."""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.benchmarks.figures import Bar, Figure, Measured, Options
from tests.benchmarks.large import generate
from tests.benchmarks.sides import peer

_SECONDS = {"results": 1.0, "explain": 3.0, "report": 5.0}
_MEGABYTES = 1000.0


def measure(options: Options, say: Callable[[str], None]) -> Measured:
    trials = 100 if options.quick else 10_000
    figures, raw = [], {}
    with TemporaryDirectory(prefix="tunepipe-bench-") as folder:
        generate(Path(folder), trials=trials, epochs=50)
        for command, limit in _SECONDS.items():
            ran = [peer("reading", command, "large", "--storage", folder) for _ in range(options.rounds)]
            seconds = median(one.result["seconds"] for one in ran)
            megabytes = max(one.result["megabytes"] for one in ran)
            say(f"{command}: {seconds:.1f} s, {megabytes:.0f} MB at the most")
            raw[command] = {"seconds": [one.result["seconds"] for one in ran], "megabytes": megabytes}
            what = f"tunepipe {command}, {trials:,} trials × 50 epochs; what it may take"
            figures.append(Figure("reading", what, seconds, limit, "s", seconds / limit, Bar("at most", 1.0)))
            what = f"its memory; {what.split('; ')[1]}"
            ratio = megabytes / _MEGABYTES
            figures.append(Figure("reading", what, megabytes, _MEGABYTES, "MB", ratio, Bar("at most", 1.0)))
    return Measured(figures, raw)
