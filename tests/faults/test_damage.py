"""Files of a study that are damaged between two sessions."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline import Budget, Objective, load_results, run
from tests.faults.resumable_study import JOB as RESUMABLE, JOURNAL
from tests.pausable_study import JOB as PAUSABLE

KERAS = RESUMABLE.replaced(
    {
        "resources.workers": 0,
        "budget": Budget(trials=1, epochs=6),
        # The first epoch is the best: then two checkpoints are kept of a trial that has ended.
        "objectives": [Objective("loss", "max")],
    }
)
PLAIN = PAUSABLE.replaced({"resources.workers": 0})


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> pd.DataFrame:
    """The epochs of an undisturbed Keras study."""
    place = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(JOURNAL, str(place / "journal"))
        run(KERAS, storage=place)
    return exact(place / "resumable")


def exact(place: Path) -> pd.DataFrame:
    """The columns that must be equal to the last digit."""
    return load_results(place).epochs[["trial_id", "epoch", "loss", "val_loss", "val_accuracy", "learning_rate"]]


def flip(file: Path, position: int = -1) -> None:
    """Change one bit of a file."""
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("damaged", [pytest.param("newest", marks=pytest.mark.long), "all"])
def test_a_damaged_checkpoint_is_passed_over(damaged, undisturbed, tmp_path, monkeypatch, capsys):
    """If the newest checkpoint or all of them are damaged, an older one or the first epoch gives equal values."""
    monkeypatch.setenv(JOURNAL, str(tmp_path / "journal"))
    run(KERAS.replaced({"budget.epochs": 4}), storage=tmp_path)
    files = sorted((tmp_path / "resumable/checkpoints").rglob("*.ckpt"))
    assert len(files) >= 2
    for file in files if damaged == "all" else files[-1:]:
        flip(file)
    run(KERAS, storage=tmp_path, resume=True)
    assert "older checkpoint" in capsys.readouterr().out
    pd.testing.assert_frame_equal(exact(tmp_path / "resumable"), undisturbed, check_exact=True)


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0], ids=["back", "ahead"])
def test_a_clock_that_jumps_changes_nothing_but_times(jump, tmp_path, monkeypatch):
    """If the clock jumps by a day, a study with a budget of seconds trains every epoch once to the end."""
    import time

    true, calls = time.time, []

    def wrong() -> float:
        calls.append(0)
        return true() + (jump if len(calls) > 10 else 0.0)

    monkeypatch.setattr("time.time", wrong)
    run(PLAIN.replaced({"budget.seconds": 3600.0}), storage=tmp_path)
    results = load_results(tmp_path / "pausable")
    assert results.state == "finished"
    assert set(results.trials["state"]) == {"completed"}
    assert len(results.epochs) == 48
    assert not results.epochs.duplicated(["trial_id", "epoch"]).any()
    assert results.epochs["time"].max() - results.epochs["time"].min() > pd.Timedelta(hours=23)
