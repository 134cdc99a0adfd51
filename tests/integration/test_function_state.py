"""The state of a function's best trial, as a value and as a folder."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline import Budget, Grid, Objective, TuneJob, load_results, load_state, run
from pipeline.errors import StorageError, UsageError


def counting(config: Mapping[str, Any], state: int | None) -> Iterator[Any]:
    count = state or 0
    while True:
        count += config["by"]
        yield {"count": count}, count


def counting_in_a_folder(config: Mapping[str, Any], state: dict[str, Path] | None) -> Iterator[Any]:
    count = 0 if state is None else int((state["all"] / "count.txt").read_text())
    Path("kept").mkdir(exist_ok=True)
    while True:
        count += config["by"]
        Path("kept/count.txt").write_text(str(count))
        yield {"count": count}, {"all": Path("kept"), "file": Path("kept/count.txt"), "last": Path("kept/count.txt")}


def counted(function: Any, storage: Path) -> Path:
    """A study of two trials of six steps."""
    job = TuneJob(
        name="d", function=function, space={"by": Grid([1, 2])}, objectives=[Objective("count", "max")],
        scheduler="fifo", searcher="grid", budget=Budget(trials=2, epochs=6), resources={"workers": 0},
    )  # fmt: skip
    run(job, storage=storage)
    return storage / "d"


def test_a_value_is_loaded(tmp_path: Path) -> None:
    study = counted(counting, tmp_path)
    assert load_state(study) == load_results(study).best.value == 12
    assert load_state(study, trial=0) == 6


@pytest.mark.long
def test_files_are_loaded_into_a_folder(tmp_path: Path) -> None:
    study = counted(counting_in_a_folder, tmp_path)
    with pytest.raises(UsageError, match="name a folder for them"):
        load_state(study)
    state = load_state(study, to=tmp_path / "out")
    assert (state["all"] / "count.txt").read_text() == state["file"].read_text() == "12"
    assert state["file"] != state["last"]
    with pytest.raises(StorageError, match="exists"):
        load_state(study, to=tmp_path / "out")
