"""`tunepipe results`, `sql` and `logs`: what they print of a study and of a trial, and what they refuse."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.results import load_results
from pipeline.results.tables.trials import board
from pipeline.results.views.study import results_object
from pipeline.storage import Store, layout
from tests.command import CommandResult, rows_of, tunepipe
from tests.front_studies import recorded
from tests.recorded_studies import Recording, asha_study, every_domain_study, pbt_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return asha_study(tmp_path_factory.mktemp("studies"))


def results(study: Recording, *arguments: str) -> CommandResult:
    return tunepipe("results", study.job.name, "--storage", str(study.root), *arguments)


def test_json_prints_one_object_and_nothing_else(study: Recording) -> None:
    reported, whole = results(study, "--json"), results_object(load_results(study.store.uri))
    assert reported.code == 0
    assert reported.output.count("\n") == 1
    assert json.loads(reported.output) == whole
    best = rows_of(results(study, "--json", "--top", "3").output, "trials")
    assert best == rows_of(reported.output, "trials")[:3]
    assert [trial["trial_id"] for trial in best] == board(load_results(study.store.uri))["trial_id"].to_pylist()[:3]
    assert {"config_lr", "attempts", "error", "front"} < best[0].keys()


@pytest.mark.parametrize("words", [["--trial", "1", "--where", "epochs > 1"], ["--json", "--where", "epochs > 1"]])
def test_options_that_do_not_go_together_are_refused(study: Recording, words: list[str]) -> None:
    refused = results(study, *words)
    assert refused.code == 2
    assert "cannot be combined" in refused.errors


def test_without_a_terminal_the_leaderboard_is_plain_text(study: Recording) -> None:
    reported = results(study, "--top", "3").output
    assert "\x1b" not in reported
    assert "…" not in reported.replace("… and 21 more; --top shows them.", "")
    assert reported.splitlines()[0] == "mnist-asha  ended, 18 stopped, 4 completed, 2 failed; 64 epochs"
    assert "more; --top" not in results(study, "--top", "24").output


def test_an_interrupted_study_is_shown_with_the_command_that_continues_it(tmp_path: Path) -> None:
    interrupted = asha_study(tmp_path)
    assert "tunepipe resume" not in results(interrupted).output
    interrupted.end(3, "interrupted")
    assert results(interrupted).output.endswith(f"\n\n`tunepipe resume {interrupted.store.uri}` continues it.\n")
    assert "continues it" not in results(interrupted, "--json").output


def test_an_unknown_study_or_trial_names_those_there_are(study: Recording) -> None:
    unknown = tunepipe("results", "nothing", "--storage", Store(study.root).uri)
    assert "Available: mnist-asha" in unknown.errors
    assert "no trial '0099'" in results(study, "--trial", "99").errors


def test_one_trial_is_shown_whole(study: Recording) -> None:
    reported = results(study, "--trial", "4").output
    assert reported.startswith("mnist-asha  trial 0004  failed, 0 epochs")
    assert 'File "job.py", line 3' in reported
    assert "<script>" in reported
    reported = results(study, "--trial", "0009").output
    assert "promote  0.6036, reaches 0.6023" in reported
    assert [line.split()[0] for line in reported.splitlines() if "0.01785" in line] == ["config", "1"]


def test_json_of_one_trial_has_its_epochs_and_decisions(study: Recording) -> None:
    reported, every = results(study, "--trial", "9", "--json").output, results(study, "--json").output
    assert rows_of(reported, "trials") == [one for one in rows_of(every, "trials") if one["trial_id"] == "0009"]
    epochs = rows_of(reported, "epochs")
    assert [row["epoch"] for row in epochs] == [1, 2]
    assert {"config_lr", "val_accuracy", "seconds_train", "trained_with"} < epochs[0].keys()
    decisions = rows_of(reported, "decisions")
    assert [row["kind"] for row in decisions] == ["start", "promote", "fail"]
    failed = rows_of(results(study, "--trial", "4", "--json").output, "decisions")[-1]
    assert 'File "job.py", line 3' in failed["reason"]


def test_a_condition_keeps_some_rows_of_the_leaderboard(study: Recording, tmp_path: Path) -> None:
    reported = results(study, "--where", "state = 'completed'").output.splitlines()
    assert reported[0].split()[:2] == ["trial", "val_accuracy"]
    assert {line.split()[5] for line in reported[1:]} == {"completed"}
    values = [float(line.split()[1]) for line in reported[1:]]
    assert values == sorted(values, reverse=True)
    reported = results(study, "--where", "epochs > 0", "--top", "3").output.splitlines()
    assert (len(reported), reported[-1].endswith("more; --top shows them.")) == (5, True)
    assert results(study, "--where", "objective > 2").output == "No trial matches, of 24.\n"
    several = recorded(tmp_path, points=[(0.9, 1000), (0.5, 100), (0.4, 5000)])
    assert len(results(several, "--where", "front").output.splitlines()) == 3


@pytest.fixture(scope="module")
def storage(study: Recording) -> Path:
    pbt_study(study.root)
    return study.root


def sql(storage: Path, *arguments: str) -> CommandResult:
    return tunepipe("sql", *arguments, "--storage", str(storage))


def test_studies_come_before_the_query(storage: Path) -> None:
    reported = sql(storage, "mnist-asha", "mnist-pbt", "select study, count(*) as n from trials group by 1 order by 1")
    assert [line.split() for line in reported.output.splitlines()] == [
        ["study", "n"], ["mnist-asha", "24"], ["mnist-pbt", "8"],
    ]  # fmt: skip


def test_rows_are_printed_for_other_programs(storage: Path) -> None:
    query = "select max(epoch) as last, chr(27) || ']0;é' || chr(7) as text from epochs"
    assert sql(storage, "mnist-pbt", query, "--format", "csv").output == '"last","text"\n20,"\\x1b]0;é\\x07"\n'
    printed = sql(storage, "mnist-pbt", query, "--format", "json").output
    assert printed == '[{"last": 20, "text": "\\u001b]0;\\u00e9\\u0007"}]\n'
    content = sql(storage, "mnist-pbt", query, "--format", "parquet").output.encode(errors="surrogateescape")
    assert pq.read_table(io.BytesIO(content)).to_pylist() == [{"last": 20, "text": "\x1b]0;é\x07"}]


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


def test_logs_are_printed_without_what_a_terminal_obeys(tmp_path: Path) -> None:
    study = every_domain_study(tmp_path, trials=2)
    study.store.write(layout.log("0001"), "\x1b[32mgreen\x1b[0m\x1b]0;title\x07\x1b]8;;http://x\x1b\\\\link\x1b[2J\n")
    words = ["logs", study.job.name, "--storage", str(tmp_path), "--trial"]
    reported = tunepipe(*words, "1").output
    assert reported.startswith("green\\x1b]0;title\\x07\\x1b]8;;")
    assert reported.endswith("link\\x1b[2J\n")
    silent = tunepipe(*words, "0")
    assert (silent.code, silent.output) == (0, "")
    assert "printed nothing" in silent.errors
    assert "no trial '9999'" in tunepipe(*words, "9999").errors
    for more in (["-f"], ["--address", "http://host:8265"], ["--kubernetes"]):
        assert "--trial prints a trial's log" in tunepipe(*words, "1", *more).errors
