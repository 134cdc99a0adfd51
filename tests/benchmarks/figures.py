"""What was measured, and how it is shown."""

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_PACKAGES = ("tunepipe", "ray", "tensorflow", "keras", "optuna", "keras-tuner", "numpy", "pyarrow")


@dataclass(frozen=True, slots=True)
class Options:
    """How thoroughly to measure."""

    rounds: int = 3
    quick: bool = False
    minutes: float = 10.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: two amounts, and how large the first may be in parts of the second."""

    name: str
    what: str
    ours: float
    reference: float
    unit: str = "s"
    most: float | None = None

    @property
    def ratio(self) -> float:
        return self.ours / self.reference


@dataclass(frozen=True, slots=True)
class Measured:
    """What one benchmark gave."""

    figures: Sequence[Figure]
    samples: Mapping[str, Any]


def show(figures: Sequence[Figure], console: Console) -> None:
    table = Table(title="Speed", title_justify="left")
    for heading in ("benchmark", "what"):
        table.add_column(heading)
    for heading in ("ours", "reference", "ratio", "at most"):
        table.add_column(heading, justify="right")
    for figure in figures:
        amounts = (f"{figure.ours:,.3g} {figure.unit}", f"{figure.reference:,.3g} {figure.unit}")
        missed = figure.most is not None and figure.ratio > figure.most
        ratio = f"[bold red]{figure.ratio:.2f}[/]" if missed else f"{figure.ratio:.2f}"
        table.add_row(figure.name, figure.what, *amounts, ratio, f"{figure.most:g}" if figure.most else "")
    console.print(table)


def write(path: Path, measured: Mapping[str, Measured], options: Options) -> None:
    document = {
        "machine": {"cpus": os.cpu_count(), "processor": _processor(), "python": platform.python_version()},
        "versions": dict(_versions()),
        "options": asdict(options),
        "figures": [asdict(figure) | {"ratio": figure.ratio} for each in measured.values() for figure in each.figures],
        "samples": {name: each.samples for name, each in measured.items()},
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _versions() -> Iterator[tuple[str, str]]:
    for package in _PACKAGES:
        # Not every benchmark needs every peer.
        with suppress(PackageNotFoundError):
            yield package, version(package)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return models[0].partition(":")[2].strip() if models else platform.processor()
