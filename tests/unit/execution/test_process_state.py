"""A study leaves its process as it was."""

import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import Budget, Objective, Resources, TuneJob, Uniform, run


def _state() -> dict[str, Any]:
    return {
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "sys.path": list(sys.path),
        "signals": {number.name: repr(signal.getsignal(number)) for number in signal.Signals},
        "streams": [repr(each) for each in (sys.stdout, sys.stderr, sys.excepthook, sys.displayhook)],
        "python": random.getstate(),
        "numpy": repr(np.random.get_state()),
    }


def drawing(config: dict[str, Any]) -> Iterator[dict[str, float]]:
    os.environ["DRAWN"] = "1"
    yield {"loss": config["x"] + random.random() + np.random.rand()}


def test_a_study_in_this_process_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAWN", "1")
    job = TuneJob(
        name="s", function=drawing, objectives=[Objective("loss", "min")], space={"x": Uniform(0.0, 1.0)},
        budget=Budget(trials=2, epochs=1), resources=Resources(workers=0),
    )  # fmt: skip
    before = _state()
    run(job, storage=tmp_path, note=lambda _: None)
    assert _state() == before
