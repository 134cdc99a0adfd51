"""`tunepipe rerun`: what is printed of a trial that is trained again."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline import Budget, Objective, TuneJob, Uniform, run
from pipeline.cli.commands import app
from tests.command import tunepipe

OFFSET = {"by": 0.0}


def descend(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Two epochs."""
    for epoch in (1, 2):
        yield {"distance": config["rate"] / epoch + OFFSET["by"], "other": float("nan")}


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """A storage with a study of two trials."""
    job = TuneJob(
        name="again", function=descend, space={"rate": Uniform(0.1, 1.0)}, objectives=[Objective("distance", "min")],
        scheduler="fifo", budget=Budget(trials=2, epochs=2), resources={"workers": 0},
    )  # fmt: skip
    run(job, storage=tmp_path, note=lambda _: None)
    return tmp_path


def test_epochs_stand_under_one_header(storage: Path) -> None:
    """`rerun` prints one header, a line for each epoch with whether it equals the recorded one, and a summary."""
    reported = (
        CliRunner().invoke(app, ["rerun", "again", "1", "--storage", str(storage)], catch_exceptions=False).stdout
    )
    head, *epochs, blank, verdict = reported.splitlines()
    assert head.split() == ["epoch", "recorded", "now", "distance"]
    assert [line.split()[::3] for line in epochs] == [["1", "equal"], ["2", "equal"]]
    assert (blank, verdict) == ("", "All epochs are equal to the last digit.")


def test_metrics_that_differ_are_named(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`rerun` names the metrics of an epoch that differ, and none that was NaN and is NaN again."""
    monkeypatch.setitem(OFFSET, "by", 1e-3)
    command = ["rerun", "again", "1", "--storage", str(storage)]
    printed = CliRunner().invoke(app, command, catch_exceptions=False).stdout
    epochs = printed.splitlines()[1:3]
    assert [line.split()[3:] for line in epochs] == [["differs", "in", "distance"]] * 2
    assert "Not equal from epoch 1 on" in printed


def test_an_unknown_trial_is_reported_alone(storage: Path) -> None:
    printed = tunepipe("rerun", "again", "9999", "--storage", str(storage))
    assert (printed.code, printed.output) == (2, "")
    assert "no trial '9999'" in printed.errors
