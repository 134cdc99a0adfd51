"""`tunepipe results` of several studies."""

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from pipeline.cli.commands import app
from pipeline.errors import UsageError
from pipeline.results import load_results
from pipeline.results.views.results_object import results_object
from pipeline.study import layout
from tests.unit.results.studies import Recording, asha_study, every_domain_study, pbt_study, tune_job


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage of three studies, two of them of one objective."""
    root = tmp_path_factory.mktemp("studies")
    asha_study(root)
    pbt_study(root)
    every_domain_study(root)
    return root


def invoke(storage: Path, *arguments: str) -> Result:
    """`tunepipe results` on studies of the storage."""
    return CliRunner().invoke(app, ["results", *arguments, "--storage", str(storage)], catch_exceptions=False)


def test_the_trials_of_all_are_on_one_leaderboard(storage: Path) -> None:
    """Several studies share one leaderboard, with a line for each study, the best first, and a hint at failures."""
    reported = invoke(storage, "mnist-asha", "mnist-pbt", "--top", "12").stdout.splitlines()
    assert reported[0].startswith("mnist-asha  finished, 18 stopped")
    assert reported[1].startswith("mnist-pbt  finished, 8 completed")
    assert reported[3].split()[:3] == ["study", "trial", "val_accuracy"]
    values = [float(line.split()[2]) for line in reported[4:16]]
    assert values == sorted(values, reverse=True)
    assert {line.split()[0] for line in reported[4:16]} == {"mnist-asha", "mnist-pbt"}
    assert reported[16] == "… and 20 more; --top shows them."
    assert reported[-1].startswith("mnist-asha: 2 trials failed; `tunepipe results ")
    assert "\x1b" not in "".join(reported)


def test_conditions_columns_and_sorting_are_over_all(storage: Path) -> None:
    """--where, --sort, --columns and --top apply to the trials of all studies on one leaderboard."""
    names = ("mnist-asha", "mnist-pbt")
    reported = invoke(
        storage, *names, "--where", "config_batch_size = 128 or state = 'failed'", "--sort", "study,-seconds"
    )
    rows = [line.split() for line in reported.stdout.splitlines()[1:]]
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert {row[0] for row in rows} == set(names)
    reported = invoke(storage, *names, "--columns", "trial_id,study,objective", "--top", "2").stdout.splitlines()
    assert reported[0].split() == ["study", "trial_id", "objective"]
    assert reported[-1] == "… and 30 more; --top shows them."
    assert invoke(storage, *names, "--where", "objective > 2").stdout == "None of 32 trials matches.\n"


def test_every_format_has_the_rows_of_all(storage: Path, tmp_path: Path) -> None:
    """CSV, JSON, Markdown and Parquet hold the same trials in the same order, and nothing else."""
    asked = ("mnist-asha", "domains", "--sort", "-seconds", "--columns", "trial_id,config_lr", "--top", "5")
    rows = json.loads(invoke(storage, *asked, "--format", "json").stdout)
    assert [list(row) for row in rows] == [["study", "trial_id", "config_lr"]] * 5
    text = invoke(storage, *asked, "--format", "csv").stdout
    assert [row["trial_id"] for row in csv.DictReader(io.StringIO(text))] == [row["trial_id"] for row in rows]
    assert len(invoke(storage, *asked, "--format", "markdown").stdout.splitlines()) == 7
    file = tmp_path / "rows.parquet"
    invoke(storage, *asked, "--output", str(file))
    assert pq.read_table(file).to_pylist() == rows


def test_if_objectives_differ_the_order_is_explained(storage: Path) -> None:
    """If the objectives of several studies differ, the sort order is printed below the leaderboard or on stderr."""
    printed = "mnist-asha by val_accuracy (max); domains by val_loss (min)"
    assert printed in invoke(storage, "mnist-asha", "domains").stdout
    reported = invoke(storage, "mnist-asha", "domains", "--format", "json", "--top", "2")
    assert [row["study"] for row in json.loads(reported.stdout)] == ["mnist-asha"] * 2 + ["domains"] * 2
    assert printed in reported.stderr
    assert printed not in invoke(storage, "mnist-asha", "mnist-pbt").output


def test_json_has_the_object_of_each_study(storage: Path) -> None:
    """`results --json` of several studies prints one object in one line with the object of each study."""
    reported = invoke(storage, "mnist-pbt", "domains", "--json").stdout
    alone = [results_object(load_results(storage / name)) for name in ("mnist-pbt", "domains")]
    assert reported.count("\n") == 1
    assert json.loads(reported) == {"studies": alone}


def test_a_study_named_twice_counts_once(storage: Path) -> None:
    """`results` of a study named by its name and by its folder shows it once."""
    reported = invoke(storage, "mnist-pbt", str(storage / "mnist-pbt"), "mnist-pbt").stdout
    assert reported == invoke(storage, "mnist-pbt").stdout


def test_a_trial_is_one_of_one_study(storage: Path) -> None:
    """With several studies --trial is refused, because a trial belongs to one of them."""
    with pytest.raises(UsageError, match=r"found 2 studies: mnist-asha, mnist-pbt\. Name one"):
        invoke(storage, "mnist-asha", "mnist-pbt", "--trial", "1")


def test_studies_that_have_ended_are_watched_no_longer(storage: Path) -> None:
    """`results --watch` of finished studies prints the same as `results` and ends."""
    names = ("mnist-asha", "domains")
    assert invoke(storage, *names, "--watch").stdout == invoke(storage, *names).stdout


def test_each_winner_has_its_scores_and_a_study_without_trials_no_row(tmp_path: Path) -> None:
    """A leaderboard of several studies ends with each winner's test metrics, without studies that have none."""
    study = Recording(tmp_path, tune_job("tested"))
    study.train("0000", 1, {"lr": 0.1}, 0.5, 1.0)
    study.end(1.0)
    study.store.write(layout.WINNER, json.dumps({"trial_id": "0000", "epoch": 1, "metrics": {"top[/5]": 0.25}}))
    Recording(tmp_path, tune_job("empty"))
    reported = invoke(tmp_path, "tested", "empty").stdout
    assert "empty  waiting, no trials yet; 0 epochs\n" in reported
    assert reported.endswith("\nOn the test sets, which no trial has seen:\n  tested  top[/5] 0.25\n")
