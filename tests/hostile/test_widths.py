"""Terminals of 40 columns and more, and studies with many, long and odd columns: every table fits."""

import re
import shutil
from pathlib import Path

import pytest
from rich.cells import cell_len

from pipeline import ASHA, Choice, IntUniform, LogUniform, Objective, Uniform
from pipeline.storage.schema import metric_column
from tests.cases import cases
from tests.command import tunepipe
from tests.recorded_studies import Recording, tune_job

_TEXTS = (
    "relu", "a\nb", "a\tb", "\x1b[2J", "\u202egpj", "漢字" * 12, "x" * 300, "💥" * 9, "", "[bold red]x[/]", "|", "\\",
)  # fmt: skip
_METRICS = ("val_accuracy", "精度", "val-acc " * 6, "m" * 70, "a\x1b[31mb")
_VALUES = (0.97123, 1e-300, -1.7e308, 123456.789, 0.0, 5e-324, -3.25)


def _study(root: Path, name: str) -> Recording:
    """A study that has ended, with odd columns."""
    space = {f"p{number}_{'long_name_' * (number % 5)}": Choice(_TEXTS[number : number + 3]) for number in range(9)}
    space |= {"a": Uniform(0.0, 1.0), "b": LogUniform(1e-9, 1.0), "c": IntUniform(1, 10**9)}
    job = tune_job(
        name,
        space=space,
        objectives=[Objective(metric, "max") for metric in _METRICS],
        scheduler=ASHA(grace_period=1),
        budget={"trials": 12, "epochs": 3},
    )
    study = Recording(root, job, metrics=tuple(metric_column(metric) for metric in _METRICS))
    for number in range(12):
        trial = f"{number:04d}"
        config = {key: domain.values[number % 3] if isinstance(domain, Choice) else 1 for key, domain in space.items()}
        study.decide(trial, 0, "start", number, config_after=config)
        for epoch in range(1, 4):
            study.train(trial, epoch, config, _VALUES[(number + epoch) % len(_VALUES)], number + epoch * 0.1)
        reason = f"ValueError: {_TEXTS[number]} {'x' * 200}\nTraceback"
        study.decide(trial, 3, "fail" if number % 4 == 0 else "complete", number + 0.5, reason)
    study.end(20)
    return study


COMMANDS = (
    ["results", "odd"], ["results", "odd", "--trial", "3"], ["sql", "odd", "select * from trials"],
    ["sql", "odd", "select * from decisions limit 3"], ["studies"], ["explain", "small"], ["compare", "small", "other"],
    ["results", "small"], ["list"], ["simulate", "JOB"],
)  # fmt: skip


@pytest.mark.parametrize("width", cases([40, 57, 80, 120, 200], [40]))
def test_every_table_fits_its_terminal(
    width: int, storage: Path, job_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = {"TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "0", "TERM": "xterm", "LINES": "50", "COLUMNS": str(width)}
    for name, value in terminal.items():
        monkeypatch.setenv(name, value)
    shutil.copytree(storage / "small", storage / "other")
    text = (storage / "other/study.json").read_text()
    (storage / "other/study.json").write_text(text.replace('"name": "small"', '"name": "other"'))
    _study(storage, "odd")
    for words in COMMANDS:
        words = [str(job_file) if word == "JOB" else word for word in words]
        printed = tunepipe(*words, *([] if words[0] == "list" else ["--storage", str(storage)]))
        assert printed.code == 0, (words, printed.errors)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", printed.output)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", plain), repr(plain)
        longest = max(plain.split("\n"), key=cell_len)
        assert cell_len(longest) <= width, (words, longest)
