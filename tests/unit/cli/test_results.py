import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli.commands import app
from pipeline.errors import JobNotFound, UsageError
from pipeline.results import load_results
from pipeline.results.tables.trials import ranked
from pipeline.results.views.study import results_object
from pipeline.storage import Store
from pipeline.study import layout
from tests.unit.results.front_studies import recorded
from tests.unit.results.studies import Recording, asha_study, every_domain_study, pbt_study, tune_job


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return asha_study(tmp_path_factory.mktemp("studies"))


def invoke(study: Recording, *arguments: str) -> Result:
    command = ["results", study.job.name, "--storage", str(study.root), *arguments]
    return CliRunner().invoke(app, command, catch_exceptions=False)


def test_json_prints_one_object_and_nothing_else(study: Recording) -> None:
    reported = invoke(study, "--json")

    assert reported.exit_code == 0
    assert reported.stdout.count("\n") == 1
    assert json.loads(reported.stdout) == results_object(load_results(study.store.uri))


def test_top_limits_the_trials_of_the_object(study: Recording) -> None:
    reported = json.loads(invoke(study, "--json", "--top", "3").stdout)
    whole = results_object(load_results(study.store.uri))

    assert [trial["trial_id"] for trial in reported["trials"]] == ranked(load_results(study.store.uri))[:3]
    assert {**reported, "trials": whole["trials"]} == whole


def test_a_number_of_trials_is_refused_beside_one_trial(study: Recording) -> None:
    with pytest.raises(UsageError, match="--trial and --top cannot be combined"):
        invoke(study, "--trial", "1", "--top", "3")


def test_without_a_terminal_the_leaderboard_is_plain_text(study: Recording) -> None:
    reported = invoke(study, "--top", "3").stdout

    assert "\x1b" not in reported
    assert "…" not in reported.replace("… and 21 more", "")
    assert reported.splitlines()[0] == "mnist-asha  finished, 18 stopped, 4 completed, 2 failed; 64 epochs"


def test_top_limits_the_trials_and_counts_the_others(study: Recording) -> None:
    assert "… and 19 more" in invoke(study, "--top", "5").stdout
    assert "more; --top" not in invoke(study, "--top", "24").stdout


def test_a_study_without_trials_prints_one_line(tmp_path: Path) -> None:
    reported = invoke(Recording(tmp_path, tune_job("empty"))).stdout

    assert reported == "empty  waiting, no trials yet; 0 epochs\n"


def test_an_interrupted_study_is_shown_with_the_command_that_continues_it(tmp_path: Path) -> None:
    interrupted = asha_study(tmp_path)
    assert "tunepipe resume" not in invoke(interrupted).stdout
    interrupted.end(3, "interrupted")

    assert invoke(interrupted).stdout.endswith(f"\n\n`tunepipe resume {interrupted.store.uri}` continues it.\n")
    assert "continues it" not in invoke(interrupted, "--json").stdout


def test_the_winners_test_metrics_are_shown(tmp_path: Path) -> None:
    study = Recording(tmp_path, tune_job("tested"))
    study.train("0000", 1, {"lr": 0.1}, 0.5, 1.0)
    study.end(1.0)
    winner = {"trial_id": "0000", "epoch": 1, "metrics": {"top[/5]": 0.25}}
    study.store.write(layout.WINNER, json.dumps(winner))

    assert "top[/5] 0.25" in invoke(study).stdout


def test_an_unknown_study_names_those_there_are(study: Recording) -> None:
    with pytest.raises(JobNotFound, match="Available: mnist-asha"):
        CliRunner().invoke(app, ["results", "nothing", "--storage", Store(study.root).uri], catch_exceptions=False)


def test_failures_are_grouped_by_cause_below_the_leaderboard(tmp_path: Path) -> None:
    study = Recording(tmp_path, tune_job("broken"))
    frames = ['File "/home/me/net.py", line 12, in build_model', 'File "/x/site-packages/keras/a.py", line 3, in f']
    for trial, units in (("0000", 65), ("0001", 33)):
        reported = "\n".join([f"ValueError: {units} is odd", "", "Traceback (most recent call last):", *frames])
        study.decide(trial, 0, "start", 0.0, config_after={"lr": 0.1})
        study.decide(trial, 0, "fail", 1.0, reported)
    study.end(2.0)

    reported = invoke(study).stdout
    assert "2 trials failed" in reported
    assert reported.splitlines()[-1].split() == [
        "2",
        "ValueError:",
        "65",
        "is",
        "odd",
        "net.py:12",
        "in",
        "build_model",
        "0000,",
        "0001",
    ]
    assert f"`tunepipe results {study.store.uri} --trial 0000`" in " ".join(reported.split())


def test_without_failures_none_are_mentioned(tmp_path: Path) -> None:
    study = Recording(tmp_path, tune_job("well"))
    study.train("0000", 1, {"lr": 0.1}, 0.5, 1.0)
    study.end(1.0)

    assert "failed" not in invoke(study).stdout


def test_one_trial_is_shown_whole(study: Recording) -> None:
    reported = invoke(study, "--trial", "4").stdout
    assert reported.startswith("mnist-asha  trial 0004  failed, 0 epochs")
    assert 'File "job.py", line 3' in reported
    assert "<script>" in reported

    reported = invoke(study, "--trial", "0009").stdout
    assert "units=" in reported
    assert "promote  0.6036, reaches 0.6023" in reported
    assert [line.split()[0] for line in reported.splitlines() if "0.01785" in line] == ["config", "1"]


def test_a_trial_that_took_weights_over_lists_its_segments(tmp_path: Path) -> None:
    study = pbt_study(tmp_path)
    reported = invoke(study, "--trial", "3").stdout.splitlines()
    segments = [line.split() for line in reported[reported.index("segments") + 1 :][:4]]
    assert segments[0] == ["from", "epoch", "weights", "of", "lr", "momentum", "batch_size"]
    assert [line[:3] for line in segments[1:]] == [["1", "its", "own"], ["5", "trial", "0004"], ["17", "trial", "0005"]]
    assert segments[2][3:6] == ["at", "epoch", "4"]
    assert any(line.startswith("config at epoch 20  lr=0.008319") for line in reported)
    assert segments[3][6] == "0.008319"
    assert "segments" not in invoke(study, "--trial", "1").stdout


def test_one_trial_as_json(study: Recording) -> None:
    reported = json.loads(invoke(study, "--trial", "9", "--json").stdout)

    trials = results_object(load_results(study.store.uri))["trials"]
    assert reported["trial"] == next(trial for trial in trials if trial["trial_id"] == "0009")
    assert [row["epoch"] for row in reported["epochs"]] == [1, 2]
    assert reported["epochs"][1]["metrics"]["val_accuracy"] is None
    assert [row["kind"] for row in reported["decisions"]] == ["start", "promote", "fail"]
    assert reported["decisions"][0]["config_after"] == reported["trial"]["config"]


def test_an_unknown_trial_is_refused(study: Recording) -> None:
    with pytest.raises(JobNotFound, match=r"no trial '0099'\. There are 24, 0000 to 0023"):
        invoke(study, "--trial", "99")


def test_a_condition_keeps_some_rows_of_the_leaderboard(study: Recording) -> None:
    reported = invoke(study, "--where", "state = 'completed'").stdout.splitlines()
    assert reported[0].split()[:2] == ["trial", "val_accuracy"]
    assert {line.split()[5] for line in reported[1:]} == {"completed"}
    values = [float(line.split()[1]) for line in reported[1:]]
    assert values == sorted(values, reverse=True)

    reported = invoke(study, "--sort", "seconds", "--top", "3").stdout.splitlines()
    assert reported[-1] == "… and 21 more; --top shows them."
    reported = invoke(study, "--sort=-seconds", "--format", "csv", "--top", "2").stdout.splitlines()
    assert reported[0].startswith('"study","trial_id"')
    assert len(reported) == 3
    assert invoke(study, "--where", "objective > 2").stdout == "None of 24 trials matches.\n"


def test_options_that_do_not_go_together_are_refused(study: Recording) -> None:
    with pytest.raises(UsageError, match="--format json prints the selected rows"):
        invoke(study, "--json", "--where", "epochs > 1")


def test_a_finished_study_is_watched_no_longer_than_it_takes_to_show_it(study: Recording) -> None:
    assert invoke(study, "--watch").stdout == invoke(study).stdout


def test_of_several_objectives_the_front_can_be_selected(tmp_path: Path) -> None:
    study = recorded(tmp_path, points=[(0.9, 1000), (0.5, 100), (0.4, 5000)])
    assert [line.split()[0] for line in invoke(study, "--front").stdout.splitlines()] == ["trial", "0000", "0001"]


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("studies")
    asha_study(root)
    pbt_study(root)
    every_domain_study(root)
    return root


def several(storage: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["results", *arguments, "--storage", str(storage)], catch_exceptions=False)


def test_each_study_has_its_leaderboard(storage: Path) -> None:
    reported = several(storage, "mnist-asha", "domains", "--top", "2").stdout.splitlines()
    assert reported[0].startswith("mnist-asha  finished, 18 stopped")
    assert any(line.startswith("domains  finished") for line in reported)
    assert [line.split()[1] for line in reported if line.startswith("trial ")] == ["val_accuracy", "val_loss"]
    with pytest.raises(UsageError, match="take one study"):
        several(storage, "mnist-asha", "domains", "--where", "epochs > 1")


def test_json_has_the_object_of_each_study(storage: Path) -> None:
    reported = several(storage, "mnist-pbt", "domains", "--json").stdout
    alone = [results_object(load_results(storage / name)) for name in ("mnist-pbt", "domains")]
    assert reported.count("\n") == 1
    assert json.loads(reported) == {"studies": alone}


def test_a_study_named_twice_counts_once(storage: Path) -> None:
    reported = several(storage, "mnist-pbt", str(storage / "mnist-pbt"), "mnist-pbt").stdout
    assert reported == several(storage, "mnist-pbt").stdout


def test_a_trial_is_one_of_one_study(storage: Path) -> None:
    with pytest.raises(UsageError, match="found mnist-asha, mnist-pbt"):
        several(storage, "mnist-asha", "mnist-pbt", "--trial", "1")


def test_studies_that_have_ended_are_watched_no_longer(storage: Path) -> None:
    names = ("mnist-asha", "domains")
    assert several(storage, *names, "--watch").stdout == several(storage, *names).stdout


def test_each_winner_has_its_scores_and_a_study_without_trials_no_row(tmp_path: Path) -> None:
    study = Recording(tmp_path, tune_job("tested"))
    study.train("0000", 1, {"lr": 0.1}, 0.5, 1.0)
    study.end(1.0)
    study.store.write(layout.WINNER, json.dumps({"trial_id": "0000", "epoch": 1, "metrics": {"top[/5]": 0.25}}))
    Recording(tmp_path, tune_job("empty"))
    reported = several(tmp_path, "tested", "empty").stdout
    assert "empty  waiting, no trials yet; 0 epochs\n" in reported
    assert "\ntest split  top[/5] 0.25\n" in reported
