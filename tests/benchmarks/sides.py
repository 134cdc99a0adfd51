"""Run one side of a comparison in a separate process, with its own settings, and time it from the outside."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.storage import Store
from pipeline.storage.schema import metric_column
from pipeline.study.files import read_job
from tests.stored_tables import stored_table

ROOT = Path(__file__).parents[2]
"""Where `tests` and `pipeline` are importable from."""

STUDIES = "studies"

_JOBS = Path(__file__).parent / "jobs"
_HOURS = 2


@dataclass(frozen=True, slots=True)
class Ran:
    """What a side's process did."""

    started: float
    seconds: float
    result: dict[str, Any]


def run(command: Sequence[str], look: Callable[[Path], dict[str, Any]] | None = None) -> Ran:
    """Run a command in an empty folder.

    Args:
        command: What to run.
        look: Looks at what the command left in the folder; what it finds is added to the result.

    Raises:
        RuntimeError: It failed, or printed no JSON object; with what it printed last.
    """
    with TemporaryDirectory(prefix="tunepipe-bench-") as folder:
        output, errors = Path(folder) / "output", Path(folder) / "errors"
        with output.open("w") as out, errors.open("w") as err:
            started, clock = time.time(), time.perf_counter()
            done = subprocess.run(
                command, cwd=folder, stdout=out, stderr=err, env=environment(), timeout=_HOURS * 3600, check=False
            )
            seconds = time.perf_counter() - clock
        lines = [line for line in output.read_text().splitlines() if line.startswith("{")]
        if done.returncode or not lines:
            tail = "\n".join((output.read_text() + errors.read_text()).splitlines()[-30:])
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{tail}")
        result = json.loads(lines[-1]) | (look(Path(folder)) if look else {})
    return Ran(started, seconds, result)


def environment() -> dict[str, str]:
    """Ours for everyone: what makes the sides comparable, and nothing that makes one of them faster."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        # Installed packages are compiled; tunepipe's folder would be compiled again in each process.
        "PYTHONDONTWRITEBYTECODE": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def peer(module: str, *arguments: str, look: Callable[[Path], dict[str, Any]] | None = None) -> Ran:
    """Run a module of tests.benchmarks.peers."""
    return run([sys.executable, "-m", f"tests.benchmarks.peers.{module}", *arguments], look)


def tunepipe(job: str, *arguments: str) -> Ran:
    """Run a study as a person would, with the recorder and checkpoints on; adds the number of recorded `epochs`, and
    `rows`: when each ended, in seconds since 1970, and its value.
    """
    return run(command(job, *arguments), _epochs)


def _epochs(folder: Path) -> dict[str, Any]:
    (study,) = (folder / STUDIES).iterdir()
    objective, epochs = read_job(Store(study))["objectives"][0], stored_table(Store(study), "epochs")
    values, times = (epochs[name].to_pylist() for name in (metric_column(objective["metric"]), "time"))
    return {"epochs": len(times), "rows": [(at.timestamp(), value) for at, value in zip(times, values, strict=True)]}


def command(job: str, *arguments: str) -> list[str]:
    """`tunepipe run` for a job of tests/benchmarks/jobs."""
    path = str(_JOBS / (job if ".py:" in job else f"{job}.py"))
    return [sys.executable, "-m", "pipeline.cli.app", "run", path, "--storage", STUDIES, "--json", *arguments]
