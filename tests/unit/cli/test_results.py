import json
from pathlib import Path

import pytest

from pipeline.results import load_results
from pipeline.results.tables.trials import ranked
from pipeline.results.views.study import results_object
from pipeline.storage import Store
from pipeline.study import layout
from tests.command import CommandResult, tunepipe
from tests.recorded_studies import Recording, asha_study, pbt_study, tune_job
from tests.unit.results.front_studies import recorded


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
    best = json.loads(results(study, "--json", "--top", "3").output)
    assert [trial["trial_id"] for trial in best["trials"]] == ranked(load_results(study.store.uri))[:3]
    assert {**best, "trials": whole["trials"]} == whole


@pytest.mark.parametrize("words", [["--trial", "1", "--top", "3"], ["--json", "--where", "epochs > 1"]])
def test_options_that_do_not_go_together_are_refused(study: Recording, words: list[str]) -> None:
    refused = results(study, *words)
    assert refused.code == 2
    assert "cannot be combined" in refused.errors


def test_without_a_terminal_the_leaderboard_is_plain_text(study: Recording) -> None:
    reported = results(study, "--top", "3").output
    assert "\x1b" not in reported
    assert "…" not in reported.replace("… and 21 more; --top shows them.", "")
    assert reported.splitlines()[0] == "mnist-asha  finished, 18 stopped, 4 completed, 2 failed; 64 epochs"
    assert "more; --top" not in results(study, "--top", "24").output


def test_a_study_without_trials_prints_one_line(tmp_path: Path) -> None:
    reported = results(Recording(tmp_path, tune_job("empty"))).output
    assert reported.strip() == "empty  waiting, no trials yet; 0 epochs"


def test_an_interrupted_study_is_shown_with_the_command_that_continues_it(tmp_path: Path) -> None:
    interrupted = asha_study(tmp_path)
    assert "tunepipe resume" not in results(interrupted).output
    interrupted.end(3, "interrupted")
    assert results(interrupted).output.endswith(f"\n\n`tunepipe resume {interrupted.store.uri}` continues it.\n")
    assert "continues it" not in results(interrupted, "--json").output


def test_the_winners_test_metrics_are_shown(tmp_path: Path) -> None:
    study = Recording(tmp_path, tune_job("tested"))
    study.train("0000", 1, {"lr": 0.1}, 0.5, 1.0)
    study.end(1.0)
    study.store.write(layout.WINNER, json.dumps({"trial_id": "0000", "epoch": 1, "metrics": {"top[/5]": 0.25}}))
    reported = results(study).output
    assert "top[/5] 0.25" in reported
    assert "failed" not in reported


def test_an_unknown_study_or_trial_names_those_there_are(study: Recording) -> None:
    unknown = tunepipe("results", "nothing", "--storage", Store(study.root).uri)
    assert "Available: mnist-asha" in unknown.errors
    assert "no trial '0099'" in results(study, "--trial", "99").errors


def test_failures_are_grouped_by_cause_below_the_leaderboard(tmp_path: Path) -> None:
    study = Recording(tmp_path, tune_job("broken"))
    frames = ['File "/home/me/net.py", line 12, in build_model', 'File "/x/site-packages/keras/a.py", line 3, in f']
    for trial, units in (("0000", 65), ("0001", 33)):
        reported = "\n".join([f"ValueError: {units} is odd", "", "Traceback (most recent call last):", *frames])
        study.decide(trial, 0, "start", 0.0, config_after={"lr": 0.1})
        study.decide(trial, 0, "fail", 1.0, reported)
    study.end(2.0)
    reported = results(study).output
    assert "2 trials failed" in reported
    last = " ".join(reported.splitlines()[-1].split())
    assert last == "2 ValueError: 65 is odd net.py:12 in build_model 0000, 0001"
    assert f"`tunepipe results {study.store.uri} --trial 0000`" in " ".join(reported.split())


def test_one_trial_is_shown_whole(study: Recording) -> None:
    reported = results(study, "--trial", "4").output
    assert reported.startswith("mnist-asha  trial 0004  failed, 0 epochs")
    assert 'File "job.py", line 3' in reported
    assert "<script>" in reported
    reported = results(study, "--trial", "0009").output
    assert "promote  0.6036, reaches 0.6023" in reported
    assert [line.split()[0] for line in reported.splitlines() if "0.01785" in line] == ["config", "1"]


def test_a_trial_that_took_weights_over_lists_its_segments(tmp_path: Path) -> None:
    study = pbt_study(tmp_path)
    reported = results(study, "--trial", "3").output.splitlines()
    segments = [line.split() for line in reported[reported.index("segments") + 1 :][:3]]
    assert [line[:3] for line in segments[1:]] == [["1", "its", "own"], ["5", "trial", "0004"]]
    assert any(line.startswith("config at epoch 13  lr=0.04611") for line in reported)
    assert "segments" not in results(study, "--trial", "1").output


def test_one_trial_as_json(study: Recording) -> None:
    reported = json.loads(results(study, "--trial", "9", "--json").output)
    trials = results_object(load_results(study.store.uri))["trials"]
    assert reported["trial"] == next(trial for trial in trials if trial["trial_id"] == "0009")
    assert [row["epoch"] for row in reported["epochs"]] == [1, 2]
    assert [row["kind"] for row in reported["decisions"]] == ["start", "promote", "fail"]


def test_a_condition_keeps_some_rows_of_the_leaderboard(study: Recording, tmp_path: Path) -> None:
    reported = results(study, "--where", "state = 'completed'").output.splitlines()
    assert reported[0].split()[:2] == ["trial", "val_accuracy"]
    assert {line.split()[5] for line in reported[1:]} == {"completed"}
    values = [float(line.split()[1]) for line in reported[1:]]
    assert values == sorted(values, reverse=True)
    reported = results(study, "--where", "epochs > 0", "--top", "3").output.splitlines()
    assert (len(reported), reported[-1].endswith("more; --top shows them.")) == (5, True)
    assert results(study, "--where", "objective > 2").output == "None of 24 trials matches.\n"
    several = recorded(tmp_path, points=[(0.9, 1000), (0.5, 100), (0.4, 5000)])
    assert len(results(several, "--where", "front").output.splitlines()) == 3
