"""Rerunning a trial: the same numbers with the same code, and a comparison otherwise."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline import Budget, Objective, TuneJob, Uniform, run
from pipeline.errors import JobNotFound
from pipeline.execution.models import rerun
from pipeline.storage import Store

OFFSET = {"by": 0.0}


def descend(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    place = 4.0
    for epoch in range(3):
        if epoch and config["rate"] > 0.9:
            raise ValueError("too fast")
        place -= config["rate"] * place
        yield {"distance": abs(place) + OFFSET["by"], "other": float("nan")}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A study of three trials, the last of which failed."""
    job = TuneJob(
        name="again", function=descend, space={"rate": Uniform(0.1, 1.0)}, objectives=[Objective("distance", "min")],
        scheduler="fifo", budget=Budget(trials=3, epochs=3), resources={"workers": 0},
        start_with=[{"rate": 0.5}, {"rate": 0.25}, {"rate": 0.95}],
    )  # fmt: skip
    run(job, storage=tmp_path, note=lambda _: None)
    return Store(tmp_path).folder("again")


def test_the_same_config_gives_the_same_epochs(store: Store) -> None:
    before = {path: store.read(path) for path in store.files()}
    with pytest.raises(JobNotFound):
        rerun(store.uri, trial="0007")
    reported: list[int] = []
    again = rerun(store.uri, trial="0001", on_epoch=lambda epoch: reported.append(epoch.epoch))
    assert reported == [1, 2, 3]
    assert again.config == {"rate": 0.25}
    assert again.equal
    assert all(epoch.recorded["distance"] == epoch.metrics["distance"] for epoch in again.epochs)
    assert {path: store.read(path) for path in store.files()} == before


def test_a_failed_trial_fails_again_at_the_same_epoch(store: Store) -> None:
    again = rerun(store.uri, trial="0002")
    assert [epoch.equal for epoch in again.epochs] == [True]
    assert again.failure.startswith("ValueError: too fast\n")
    assert "in descend" in again.failure
    assert again.recorded_failure.startswith("ValueError: too fast\n")
