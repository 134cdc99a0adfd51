"""Files of a study that are damaged between two sessions."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline import Budget, Objective, load_results, run
from tests.faults.light_study import JOB as LIGHT
from tests.pausable_study import JOB as PAUSABLE

STATEFUL = LIGHT.replaced(
    {
        "resources.workers": 0,
        "budget": Budget(trials=1, epochs=6),
        # The first epoch is the best: then two checkpoints are kept of a trial that has ended.
        "objectives": [Objective("rest", "max")],
    }
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> pd.DataFrame:
    place = tmp_path_factory.mktemp("undisturbed")
    run(STATEFUL, storage=place)
    return exact(place / "light")


def exact(place: Path) -> pd.DataFrame:
    """The columns that must be equal to the last digit."""
    return load_results(place).epochs[["trial_id", "epoch", "model_epoch", "score", "rest"]]


@pytest.mark.parametrize("damaged", ["newest", "all"])
def test_a_damaged_checkpoint_is_passed_over(damaged, undisturbed, tmp_path, capsys):
    """If the newest checkpoint or all of them are damaged, an older one or the first epoch gives equal values."""
    run(STATEFUL.replaced({"budget.epochs": 4}), storage=tmp_path)
    files = sorted((tmp_path / "light/checkpoints").rglob("*.ckpt"))
    assert len(files) >= 2
    for file in files if damaged == "all" else files[-1:]:
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    run(STATEFUL, storage=tmp_path, resume=True)
    assert "older checkpoint" in capsys.readouterr().out
    pd.testing.assert_frame_equal(exact(tmp_path / "light"), undisturbed, check_exact=True)


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0], ids=["back", "ahead"])
def test_a_clock_that_jumps_changes_nothing_but_times(jump, tmp_path, monkeypatch):
    """If the clock jumps by a day, a study with a budget of seconds trains every epoch once to the end."""
    import time

    true, calls = time.time, []

    def wrong() -> float:
        calls.append(0)
        return true() + (jump if len(calls) > 10 else 0.0)

    monkeypatch.setattr("time.time", wrong)
    run(PAUSABLE.replaced({"resources.workers": 0, "budget.seconds": 3600.0}), storage=tmp_path)
    results = load_results(tmp_path / "pausable")
    assert results.state == "ended"
    assert set(results.trials["state"]) == {"completed"}
    assert len(results.epochs) == 48
    assert not results.epochs.duplicated(["trial_id", "epoch"]).any()
    assert results.epochs["time"].max() - results.epochs["time"].min() > pd.Timedelta(hours=23)
