"""Taking over a study from a driver that may be gone."""

import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline import Budget, Objective, TuneJob, Uniform, load_results, run
from pipeline.errors import StorageError, StudyExists
from pipeline.storage import Store
from pipeline.storage.processes import identity
from pipeline.study import layout


def climb(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    for step in range(4):
        yield {"score": config["x"] + step}


def job(epochs: int = 2) -> TuneJob:
    return TuneJob(
        name="s",
        function=climb,
        space={"x": Uniform(0, 1)},
        objectives=[Objective("score", "max")],
        scheduler="fifo",
        budget=Budget(trials=2, epochs=epochs),
        resources={"workers": 0},
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    run(job(), storage=folder)
    return folder / "s"


@pytest.fixture
def store(study: Path, tmp_path: Path) -> Store:
    shutil.copytree(study, tmp_path / "s")
    store = Store(tmp_path / "s")
    _change(store, state="running", heartbeat=datetime.now(UTC).isoformat(), ended=None, mark=None)
    return store


def _change(store: Store, **fields: Any) -> None:
    whole = {**store.read_json(layout.session(1), most=None), **fields}
    store.write(layout.session(1), json.dumps({name: value for name, value in whole.items() if value is not None}))


def _on(store: Store, **options: Any) -> list[str]:
    reported: list[str] = []
    run(job(4), storage=Path(store.uri).parent, resume=True, note=reported.append, **options)
    assert load_results(store.uri).epochs["epoch"].to_list() == [1, 2, 3, 4] * 2
    return reported


def test_a_live_driver_is_replaced_only_on_request(store: Store) -> None:
    with pytest.raises(StudyExists, match=r"already running: .*tunepipe stop .*s`\..*tunepipe resume .*s --take-over"):
        _on(store)
    (reported,) = _on(store, take_over=True)
    assert reported.startswith(f"Session 1 is taken over: process {identity()['pid']} on ")


def test_a_session_that_cannot_be_read_is_named_and_nothing_is_written(store: Store) -> None:
    _change(store, started="yesterday")
    before = {path: store.read(path) for path in store.files()}
    for options in ({}, {"take_over": True}):
        with pytest.raises(StorageError, match=r"sessions/0001\.json"):
            _on(store, **options)
    assert {path: store.read(path) for path in store.files()} == before
