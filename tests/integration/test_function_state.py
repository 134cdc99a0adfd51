"""Studies of functions that keep their state: killed, paused, exploited and exported."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import Budget, Grid, LogUniform, Objective, TuneJob, load_results, load_state, run
from pipeline.errors import ModelError, UsageError
from pipeline.execution.models import export, rerun
from pipeline.storage import Store
from pipeline.study import layout

ROOT = Path(__file__).parents[2]


def descend(config: Mapping[str, Any], state: Any) -> Iterator[Any]:
    with Path(config["starts"]).open("a") as starts:
        starts.write(f"{None if state is None else state['steps']}\n")
    place, steps = (np.full(2, 4.0), 0) if state is None else (state["place"], state["steps"])
    while True:
        steps += 1
        place -= config["lr"] * (2 * place + random.random() + np.random.rand())
        if steps == 3 and config["fatal"] and not Path(config["fatal"]).exists():
            Path(config["fatal"]).touch()
            study = Path(config["fatal"]).with_name("d")
            # A thread writes checkpoints: without any, the trial would rightly start again.
            while not any((study / layout.checkpoint("0000", step)).exists() for step in (1, 2)):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        yield {"distance": float(np.abs(place).sum()), "started": steps}, {"place": place, "steps": steps}


def in_folder(config: Mapping[str, Any], state: Path | None) -> Iterator[Any]:
    count = 0 if state is None else int((state / "count.txt").read_text())
    Path("kept").mkdir(exist_ok=True)
    while True:
        count += config["by"]
        Path("kept/count.txt").write_text(str(count))
        yield {"distance": -count}, Path("kept")


def job(folder: Path, **fields: Any) -> TuneJob:
    defaults: dict[str, Any] = {
        "name": "d",
        "function": descend,
        "space": {"lr": LogUniform(0.01, 0.3), "starts": str(folder / "starts"), "fatal": ""},
        "objectives": [Objective("distance", "min")],
        "scheduler": "fifo",
        "searcher": "random",
        "budget": Budget(trials=4, epochs=6),
        "resources": {"workers": 0},
        "checkpoints": {"seconds": 1e-9},
    }
    return TuneJob(**{**defaults, **fields})


def values(folder: Path) -> list[Any]:
    return load_results(folder / "d").epochs[["trial_id", "epoch", "model_epoch", "distance"]].to_numpy().tolist()


def test_a_killed_study_continues_exactly_without_a_replay(tmp_path: Path) -> None:
    milestones = {"scheduler": {"kind": "asha", "grace_period": 2}}
    (tmp_path / "whole").mkdir()
    run(job(tmp_path / "whole", **milestones), storage=tmp_path / "whole")
    code = (
        "import sys; from pathlib import Path; from pipeline import run\n"
        "from tests.integration.test_function_state import job\n"
        "folder = Path(sys.argv[1])\n"
        "space = {'fatal': str(folder / 'fatal'), 'starts': str(folder / 'starts')}\n"
        "changes = {f'space.{name}': value for name, value in space.items()}\n"
        f"run(job(folder, **{milestones}).replaced(changes), storage=folder, resume=True, note=lambda _: None)\n"
    )
    ended = [
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=False).returncode for _ in range(2)
    ]
    assert ended == [-signal.SIGKILL, 0]
    first, continued, *others = (tmp_path / "starts").read_text().split()
    # The checkpoint of step 2 may have been in writing.
    assert continued in ("1", "2")
    assert [first, *others] == ["None"] * 4
    assert values(tmp_path) == values(tmp_path / "whole")
    assert rerun(tmp_path / "d", trial="0000").equal


@pytest.mark.long
def test_population_based_training_hands_states_over(tmp_path: Path) -> None:
    run(job(tmp_path, scheduler={"kind": "pbt", "interval": 2}, budget=Budget(trials=4, epochs=8)), storage=tmp_path)
    results = load_results(tmp_path / "d")
    exploits = results.decisions[results.decisions["kind"] == "exploit"]
    assert len(exploits)
    started = results.epochs.set_index(["trial_id", "epoch"])["started"]
    for _, row in exploits.iterrows():
        assert started[row["trial_id"], row["epoch"] + 1] == row["parent_epoch"] + 1


def test_the_state_is_loaded(tmp_path: Path) -> None:
    run(job(tmp_path), storage=tmp_path)
    results = load_results(tmp_path / "d")
    with pytest.raises(ModelError, match="load_state"):
        export(Store(tmp_path / "d"), tmp_path / "best")
    state = load_state(tmp_path / "d")
    assert float(np.abs(state["place"]).sum()) == results.best.value
    assert load_state(tmp_path / "d", trial=0)["steps"] >= 1


@pytest.mark.long
def test_a_folder_is_exported(tmp_path: Path) -> None:
    run(job(tmp_path, function=in_folder, space={"by": Grid([1, 2])}, searcher="grid"), storage=tmp_path)
    export(Store(tmp_path / "d"), tmp_path / "best")
    assert (tmp_path / "best/files/count.txt").read_text() == "12"
    with pytest.raises(UsageError, match="name a folder for them"):
        load_state(tmp_path / "d")
    assert (load_state(tmp_path / "d", to=tmp_path / "out") / "count.txt").read_text() == "12"
