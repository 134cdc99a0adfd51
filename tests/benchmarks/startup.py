"""From `tunepipe run` to the first recorded epoch, compared with the least that Ray and TensorFlow need to be there."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.benchmarks.figures import Figure, Measured, Options
from tests.benchmarks.sides import STUDIES, command, environment, peer
from tests.processes import started

_PATIENCE = 300
_POLL_SECONDS = 0.02


def measure(options: Options, say: Callable[[str], None]) -> Measured:
    samples: dict[str, list[float]] = {"tunepipe": [], "bare": []}
    for round_ in range(1 if options.quick else options.rounds):
        bare = peer("bare_start")
        samples["bare"].append(bare.result["ready"] - bare.started)
        samples["tunepipe"].append(_first_part())
        say(f"round {round_ + 1}: {samples['tunepipe'][-1]:.1f} s, bare {samples['bare'][-1]:.1f} s")
    ours, bare = median(samples["tunepipe"]), median(samples["bare"])
    what = "seconds to the first recorded epoch; bare ray.init and one actor that imports tensorflow"
    return Measured([Figure("startup", what, ours, bare, most=1.5)], samples)


def _first_part() -> float:
    """Seconds until the first part of the table `epochs` is there, for a reader of the storage."""
    with TemporaryDirectory(prefix="tunepipe-bench-") as name:
        folder = Path(name)
        with (folder / "errors").open("w") as errors:
            begun = time.perf_counter()
            process = started(command("bench_search"), cwd=folder, env=environment(), stdout=errors, stderr=errors)
            try:
                while not _parts(folder):
                    if process.poll() is not None or time.perf_counter() - begun > _PATIENCE:
                        raise RuntimeError(f"No epoch was recorded:\n{(folder / 'errors').read_text()[-3000:]}")
                    time.sleep(_POLL_SECONDS)
                return time.perf_counter() - begun
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGINT)
                process.wait(_PATIENCE)


def _parts(folder: Path) -> list[Path]:
    return list((folder / STUDIES).glob("*/epochs/*.parquet"))
