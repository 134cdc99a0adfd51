"""`tunepipe rerun` and `export`: a trial that is trained again, and trials for other tools."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline import Budget, Objective, TuneJob, Uniform, run
from tests.command import tunepipe
from tests.recorded_studies import every_domain_study

OFFSET = {"by": 0.0}


def descend(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    for epoch in (1, 2):
        yield {"distance": config["rate"] / epoch + OFFSET["by"], "other": float("nan")}


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    storage = tmp_path_factory.mktemp("storage")
    job = TuneJob(
        name="again", function=descend, space={"rate": Uniform(0.1, 1.0)}, objectives=[Objective("distance", "min")],
        scheduler="fifo", budget=Budget(trials=2, epochs=2), resources={"workers": 0},
    )  # fmt: skip
    run(job, storage=storage, note=lambda _: None)
    return storage


def test_epochs_stand_under_one_header(storage: Path) -> None:
    reported = tunepipe("rerun", "again", "1", "--storage", str(storage)).output
    head, *epochs, blank, verdict = reported.splitlines()
    assert head.split() == ["epoch", "recorded", "now", "distance"]
    assert [line.split()[::3] for line in epochs] == [["1", "equal"], ["2", "equal"]]
    assert (blank, verdict) == ("", "All epochs are equal to the last digit.")


def test_metrics_that_differ_are_named(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OFFSET, "by", 1e-3)
    printed = tunepipe("rerun", "again", "1", "--storage", str(storage)).output
    epochs = printed.splitlines()[1:3]
    assert [line.split()[3:] for line in epochs] == [["differs", "in", "distance"]] * 2
    assert "Not equal from epoch 1 on" in printed


def test_trials_are_logged_for_other_tools(tmp_path: Path) -> None:
    study = every_domain_study(tmp_path, trials=2)
    words = ["export", study.job.name, "--storage", str(tmp_path)]
    log = f"tensorboard={tmp_path}/board"
    for _ in range(2):
        printed = tunepipe(*words, "--log", log)
        assert printed.code == 0, printed.errors
        assert printed.output == f"The trials are in {log}.\n"
    assert {path.parent.name for path in (tmp_path / "board").rglob("events.out.*")} == {"0000", "0001"}
    refused = tunepipe(*words, "--trial", "1")
    assert (refused.code, "--to FOLDER" in refused.errors) == (2, True)
