"""Results, explanation and report of a study of 10,000 trials of 50 epochs: seconds and memory, and their limits."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.benchmarks.figures import Figure, Measured, Options
from tests.benchmarks.large import generate
from tests.benchmarks.sides import environment

_SECONDS = {"results": 1.0, "explain": 3.0, "report": 5.0}
_MEGABYTES = 650.0


def measure(options: Options, say: Callable[[str], None]) -> Measured:
    trials = 100 if options.quick else 10_000
    figures, raw = [], {}
    with TemporaryDirectory(prefix="tunepipe-bench-") as folder:
        generate(Path(folder), trials=trials, epochs=50)
        for command, limit in _SECONDS.items():
            ran = [_read(command, folder) for _ in range(options.rounds)]
            seconds, megabytes = median(one[0] for one in ran), max(one[1] for one in ran)
            say(f"{command}: {seconds:.1f} s, {megabytes:.0f} MB at the most")
            raw[command] = ran
            what = f"tunepipe {command}, {trials:,} trials × 50 epochs; what it may take"
            figures.append(Figure("reading", what, seconds, limit, most=1))
            figures.append(Figure("reading", "its memory; what it may be", megabytes, _MEGABYTES, "MB", most=1))
    return Measured(figures, raw)


def _read(command: str, folder: str) -> tuple[float, float]:
    """Seconds of a command as a user starts it, and the most megabytes that it had."""
    clock = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli.app", command, "large", "--storage", folder],
        stdout=subprocess.DEVNULL,
        env=environment(),
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"tunepipe {command} ended with {os.waitstatus_to_exitcode(status)}.")
    return time.perf_counter() - clock, used.ru_maxrss / 1024
