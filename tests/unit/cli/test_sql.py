"""`tunepipe sql`: several studies, every format."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli.commands import app
from pipeline.errors import UsageError
from tests.unit.results.studies import asha_study, pbt_study


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("studies")
    asha_study(root)
    pbt_study(root)
    return root


def invoke(storage: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["sql", *arguments, "--storage", str(storage)], catch_exceptions=False)


def test_studies_come_before_the_query(storage: Path) -> None:
    reported = invoke(
        storage, "mnist-asha", "mnist-pbt", "select study, count(*) as n from trials group by 1 order by 1"
    )
    assert [line.split() for line in reported.stdout.splitlines()] == [
        ["study", "n"], ["mnist-asha", "24"], ["mnist-pbt", "8"],
    ]  # fmt: skip


def test_a_files_suffix_selects_the_format(storage: Path, tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    reported = invoke(storage, "mnist-pbt", "select max(epoch) as last from epochs", "--output", str(file))
    assert reported.stdout == f"{file}\n"
    assert json.loads(file.read_text()) == [{"last": 20}]


def test_a_long_table_is_limited_and_notes_that_there_are_more(storage: Path) -> None:
    reported = invoke(storage, "mnist-pbt", "select * from range(100000000000)").stdout.splitlines()
    assert len(reported) == 1 + 1000 + 1
    assert reported[-1] == "… and more rows than these 1,000; --limit shows more, --format csv shows all."
    reported = invoke(storage, "mnist-pbt", "select * from range(5)", "--limit", "5").stdout.splitlines()
    assert [line.strip() for line in reported] == ["range", "0", "1", "2", "3", "4"]


@pytest.mark.parametrize("columns", ["40", "400"])
def test_an_answer_without_rows_says_so(storage: Path, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    reported = invoke(storage, "mnist-pbt", "select * from trials where epochs < 0").stdout
    assert "No rows." in reported
    assert ("trial_id" in reported) == (columns == "400")


def test_a_limit_holds_in_every_format(storage: Path) -> None:
    reported = invoke(
        storage, "mnist-pbt", "select * from range(100000000000)", "--limit", "2", "--format", "csv"
    ).stdout
    assert reported.split() == ['"range"', "0", "1"]


@pytest.mark.parametrize("word", ["mnist-pbt", " SELECT 1"])
def test_a_missing_study_or_query_is_answered_by_an_example(storage: Path, word: str) -> None:
    with pytest.raises(UsageError, match='tunepipe sql STUDY "select trial_id, objective'):
        invoke(storage, word)


@pytest.mark.long
def test_a_query_that_needs_too_much_memory_is_refused(storage: Path) -> None:
    with pytest.raises(UsageError, match="Out of Memory"):
        invoke(storage, "mnist-pbt", "select * from range(2000000000) order by hash(range)", "--format", "csv")


def test_control_characters_are_escaped_on_stdout_and_kept_in_a_file(storage: Path, tmp_path: Path) -> None:
    query = "select chr(27) || ']0;x' || chr(7) as text"
    assert invoke(storage, "mnist-pbt", query, "--format", "csv").stdout == '"text"\n"\\x1b]0;x\\x07"\n'
    assert invoke(storage, "mnist-pbt", query, "--format", "json").stdout == '[{"text": "\\u001b]0;x\\u0007"}]\n'
    file = tmp_path / "x.csv"
    invoke(storage, "mnist-pbt", query, "--output", str(file))
    assert file.read_text() == '"text"\n"\x1b]0;x\x07"\n'


def test_ctrl_c_ends_a_query_immediately(storage: Path) -> None:
    code = (
        "import signal, sys, threading, os; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "import pipeline.results.tables.sql; "
        "threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGINT)).start(); "
        "from pipeline.cli.app import start; start()"
    )
    query = "select count(*) from range(1000000) a, range(10000000) b where a.range * b.range % 7 = 3"
    words = ["sql", "mnist-pbt", query, "--storage", str(storage)]
    ended = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=100, check=False
    )
    assert (ended.returncode, ended.stdout) == (130, "")
    assert "Traceback" not in ended.stderr


def test_a_query_has_a_time_limit(storage: Path) -> None:
    with pytest.raises(UsageError, match=r"took longer than 0\.01 s"):
        invoke(
            storage, "mnist-pbt", "select count(*) from range(100000000000) where hash(range) % 7 = 1", "--seconds=0.01"
        )
