"""What was measured, and how it is shown."""

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

_PACKAGES = ("tunepipe", "ray", "tensorflow", "keras", "optuna", "keras-tuner", "numpy", "pyarrow")


@dataclass(frozen=True, slots=True)
class Options:
    """How thoroughly to measure."""

    rounds: int = 3
    quick: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """What a ratio must reach: at least, or at most, `limit`."""

    kind: Literal["at least", "at most"]
    limit: float

    def met(self, ratio: float) -> bool:
        return ratio >= self.limit if self.kind == "at least" else ratio <= self.limit

    def __str__(self) -> str:
        return f"{self.kind} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    name: str
    what: str
    ours: float
    reference: float
    unit: str
    ratio: float
    bar: Bar | None = None

    @property
    def met(self) -> bool | None:
        return self.bar.met(self.ratio) if self.bar else None


@dataclass(frozen=True, slots=True)
class Measured:
    """What one benchmark gave."""

    figures: Sequence[Figure]
    samples: Mapping[str, Any]


def show(figures: Sequence[Figure], console: Console) -> None:
    table = Table(title="Speed", title_justify="left")
    for heading in ("benchmark", "what"):
        table.add_column(heading)
    for heading in ("ours", "reference", "ratio", "bar"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for figure in figures:
        verdict = {True: "[green]met[/]", False: "[bold red]missed[/]", None: ""}[figure.met]
        table.add_row(
            figure.name,
            figure.what,
            _quantity(figure.ours, figure.unit),
            _quantity(figure.reference, figure.unit),
            f"{figure.ratio:.2f}",
            str(figure.bar or ""),
            verdict,
        )
    console.print(table)


def write(path: Path, measured: Mapping[str, Measured], options: Options) -> None:
    document = {
        "machine": {"cpus": os.cpu_count(), "processor": _processor(), "python": platform.python_version()},
        "versions": dict(_versions()),
        "options": asdict(options),
        "figures": [
            {**asdict(figure), "bar": str(figure.bar) if figure.bar else None, "met": figure.met}
            for each in measured.values()
            for figure in each.figures
        ],
        "samples": {name: each.samples for name, each in measured.items()},
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _versions() -> Iterator[tuple[str, str]]:
    for package in _PACKAGES:
        # Not every benchmark needs every peer.
        with suppress(PackageNotFoundError):
            yield package, version(package)


def _quantity(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return models[0].partition(":")[2].strip() if models else platform.processor()
