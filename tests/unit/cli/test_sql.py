"""`tunepipe sql`: several studies, every format."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.command import CommandResult, tunepipe
from tests.recorded_studies import asha_study, pbt_study


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("studies")
    asha_study(root)
    pbt_study(root)
    return root


def sql(storage: Path, *arguments: str) -> CommandResult:
    return tunepipe("sql", *arguments, "--storage", str(storage))


def test_studies_come_before_the_query(storage: Path) -> None:
    reported = sql(storage, "mnist-asha", "mnist-pbt", "select study, count(*) as n from trials group by 1 order by 1")
    assert [line.split() for line in reported.output.splitlines()] == [
        ["study", "n"], ["mnist-asha", "24"], ["mnist-pbt", "8"],
    ]  # fmt: skip


@pytest.mark.parametrize(("words", "name"), [([], "answer.json"), (["--format", "json"], "x"), ([], "rows.parquet")])
def test_a_file_has_the_format_of_its_suffix_unless_another_is_named(
    storage: Path, tmp_path: Path, words: list[str], name: str
) -> None:
    file = tmp_path / name
    reported = sql(storage, "mnist-pbt", "select max(epoch) as last from epochs", "--output", str(file), *words)
    assert reported.output == f"{file}\n"
    rows = pq.read_table(file).to_pylist() if name == "rows.parquet" else json.loads(file.read_text())
    assert rows == [{"last": 20}]


@pytest.mark.parametrize("words", [["--format", "xml"], ["--format", "parquet"], ["--output", "x.xml"]])
def test_an_unknown_format_is_refused(storage: Path, words: list[str]) -> None:
    refused = sql(storage, "mnist-pbt", "select 1", *words)
    assert (refused.code, refused.output) == (2, "")
    assert "--format must be one of" in refused.errors


def test_a_long_table_is_limited_and_notes_that_there_are_more(storage: Path) -> None:
    reported = sql(storage, "mnist-pbt", "select * from range(2000)").output.splitlines()
    assert len(reported) == 1 + 1000 + 1
    assert reported[-1] == "… and more rows than these 1,000; --format csv shows all."


@pytest.mark.parametrize("columns", ["40", "400"])
def test_an_answer_without_rows_says_so(storage: Path, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    reported = sql(storage, "mnist-pbt", "select * from trials where epochs < 0").output
    assert "No rows." in reported
    assert ("trial_id" in reported) == (columns == "400")


@pytest.mark.parametrize("word", ["mnist-pbt", " SELECT 1"])
def test_a_missing_study_or_query_is_answered_by_an_example(storage: Path, word: str) -> None:
    refused = sql(storage, word)
    assert refused.code == 2
    assert 'tunepipe sql STUDY "select trial_id, objective' in refused.errors


@pytest.mark.long
def test_a_query_that_needs_too_much_memory_is_refused(storage: Path) -> None:
    assert "Out of Memory" in sql(storage, "mnist-pbt", "select list(range) from range(2000000000)").errors


def test_control_characters_are_escaped_on_stdout_and_kept_in_a_file(storage: Path, tmp_path: Path) -> None:
    query = "select chr(27) || ']0;é' || chr(7) as text"
    assert sql(storage, "mnist-pbt", query, "--format", "csv").output == '"text"\n"\\x1b]0;é\\x07"\n'
    assert sql(storage, "mnist-pbt", query, "--format", "json").output == '[{"text": "\\u001b]0;é\\u0007"}]\n'
    file = tmp_path / "x.csv"
    sql(storage, "mnist-pbt", query, "--output", str(file))
    assert file.read_text() == '"text"\n"\x1b]0;é\x07"\n'


@pytest.mark.long
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


@pytest.mark.parametrize("words", [["sql", "missing", "select 1"], ["report", "missing"]])
def test_a_file_is_refused_before_any_work(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.json").write_text("{}")
    for name, reported in [
        ("study/x.csv", "is within the study"),
        ("none/x.csv", "there is no folder"),
    ]:
        assert reported in tunepipe(*words, "--output", str(tmp_path / name)).errors


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_reported(storage: Path) -> None:
    refused = sql(storage, "mnist-pbt", "select 1", "--format", "csv", "--output", "/dev/full")
    assert "Cannot write /dev/full: No space left on device" in refused.errors
