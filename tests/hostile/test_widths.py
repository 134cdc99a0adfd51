"""Terminals from 40 to 200 columns, and studies with many, long and odd columns: every table fits."""

import random
import re
import shutil
from pathlib import Path

import pytest
from rich.cells import cell_len

from pipeline import ASHA, Choice, IntUniform, LogUniform, Objective, Uniform
from pipeline.results import Results, load_results
from pipeline.storage.schema import metric_column
from pipeline.text import format_number
from tests.hostile.command import tunepipe
from tests.unit.results.studies import Recording, tune_job

_TEXTS = (
    "relu", "a\nb", "a\tb", "\x1b]0;title\x07", "\x1b[2J", "\u202egpj", "漢字" * 12, "x" * 300, "💥" * 9, "", " ",
    "مرحبا",     "[bold red]x[/]", "a | b", "\\",
)  # fmt: skip
_METRICS = (
    "val_accuracy",
    "loss",
    "точность",
    "精度",
    "val-acc " * 6,
    "🎯",
    "دقة",
    "m" * 70,
    "top 5 (%)",
    "a\x1b[31mb",
)
_VALUES = (0.97123, 1e-300, -1.7e308, 123456.789, 0.0, 5e-324, -3.25)


def _study(root: Path, name: str, draws: random.Random) -> Recording:
    """A finished study with randomly drawn columns."""
    space = {}
    for number in range(draws.choice([1, 4, 12, 30])):
        parameter = f"p{number}_" + "long_name_" * draws.choice([0, 0, 1, 5])
        texts = tuple(draws.sample(_TEXTS, 3))
        space[parameter] = draws.choice([Choice(texts), Uniform(0.0, 1.0), LogUniform(1e-9, 1.0), IntUniform(1, 10**9)])
    metrics = draws.sample(_METRICS, draws.choice([1, 1, 2, 3]))
    job = tune_job(
        name,
        space=space,
        objectives=[Objective(metric, draws.choice(["min", "max"])) for metric in metrics],
        scheduler=ASHA(grace_period=1),
        budget={"trials": 12, "epochs": 3},
    )
    study = Recording(root, job, metrics=tuple(metric_column(metric) for metric in metrics))
    for number in range(12):
        trial = f"{number:04d}"
        config = {key: _drawn(domain, draws) for key, domain in space.items()}
        study.decide(trial, 0, "start", number, config_after=config)
        for epoch in range(1, 4):
            study.train(trial, epoch, config, draws.choice(_VALUES) * draws.random(), number + epoch * 0.1)
        failed = draws.random() < 0.2
        reason = f"ValueError: {draws.choice(_TEXTS)} {'x' * 200}\nTraceback" if failed else "it trained to its end"
        study.decide(trial, 3, "fail" if failed else "finish", number + 0.5, reason)
    study.end(20)
    return study


def _drawn(domain: object, draws: random.Random) -> object:
    if isinstance(domain, Choice):
        return draws.choice(domain.values)
    return draws.randint(1, 10**9) if isinstance(domain, IntUniform) else draws.random()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Lets the command detect a terminal, whose width is that of COLUMNS."""
    for name, value in {"TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "0", "TERM": "xterm", "LINES": "50"}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def _lines(output: str) -> list[str]:
    """The lines of a terminal without colours; any other escape sequence is an error."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", plain), repr(plain)
    return plain.split("\n")


def _commands(one: str, other: str) -> list[list[str]]:
    return [
        ["results", one], ["results", one, other], ["results", one, "--trial", "3"],
        ["results", one, "--where", "epochs > 1", "--sort", "-epochs"],
        ["results", one, "--columns", "trial_id,objective,state,error"],
        ["sql", one, "select * from trials"], ["sql", one, "select trial_id, epoch, seconds_train from epochs"],
        ["sql", one, "select * from decisions limit 3"], ["studies"],
    ]  # fmt: skip


def _best(found: Results) -> tuple[str, str]:
    assert found.best is not None
    return found.best.trial_id, format_number(found.best.value)


def test_every_table_fits_its_terminal(tmp_path: Path, terminal: pytest.MonkeyPatch, fuzz_size: int) -> None:
    """No line of any table is wider than the terminal, and the best trial's id and objective are shown whole."""
    draws = random.Random(20)
    for number in range(fuzz_size):
        root = tmp_path / str(number)
        studies = [_study(root, name, draws) for name in ("first", "second")]
        found = load_results(studies[0].store.uri)
        trial, value = _best(found)
        for words in _commands("first", "second"):
            for width in (40, draws.randint(41, 199)):
                terminal.setenv("COLUMNS", str(width))
                printed = tunepipe(*words, "--storage", str(root))
                assert printed.code == 0, (words, printed.errors)
                lines = _lines(printed.output)
                longest = max(lines, key=cell_len)
                assert cell_len(longest) <= width, (words, width, longest)
                if words[:2] == ["results", "first"] and len(words) == 2:
                    cells = [word for line in lines for word in line.split()]
                    assert trial in cells, (width, printed.output)
                    assert value in cells, (width, printed.output)


@pytest.mark.parametrize("width", [40, 57, 80, 120, 200])
def test_other_tables_fit_their_terminal(
    width: int, storage: Path, job_file: Path, terminal: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The tables of `list`, `explain`, `compare`, `simulate` and `studies` fit their terminal, too."""
    other = storage / "other"
    shutil.copytree(storage / "small", other)
    text = (other / "study.json").read_text()
    (other / "study.json").write_text(text.replace('"name": "small"', '"name": "other"'))
    terminal.setenv("COLUMNS", str(width))
    for words in (
        ["list"], ["explain", "other", "--storage", str(storage)],
        ["compare", "small", "other", "--storage", str(storage)],
        ["simulate", str(job_file), "--price", "3"], ["studies", "--storage", str(tmp_path / "nothing")],
    ):  # fmt: skip
        printed = tunepipe(*words)
        assert printed.code == 0, (words, printed.errors)
        longest = max(_lines(printed.output), key=cell_len)
        assert cell_len(longest) <= width, (words, longest)


def test_a_pipe_gets_every_column_and_every_character(tmp_path: Path) -> None:
    """Tables in a pipe are neither cut nor wrapped, and have all columns."""
    study = _study(tmp_path, "first", random.Random(3))
    printed = tunepipe("results", "first", "--storage", str(tmp_path))
    header = printed.output.splitlines()[2].split()
    assert set(study.job.space) <= set(header)
    assert "…" not in "".join(printed.output.splitlines()[2:12])
    rows = tunepipe("sql", "first", "select repeat('x', 300) as long", "--storage", str(tmp_path))
    assert "x" * 300 in rows.output
