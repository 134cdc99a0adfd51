"""A worker of two is killed by SIGKILL in the middle of a trial on a pipeline."""

import pytest

from pipeline import TuneJob, load_results, run
from tests.faults.killed_pipelines import PHASED, PIPELINE


@pytest.mark.long
@pytest.mark.parametrize("job", [PIPELINE, PHASED], ids=["shuffled and augmented", "phases"])
def test_a_trial_whose_worker_was_killed_continues_exactly(tmp_path, monkeypatch, job: TuneJob) -> None:
    """Every metric of every epoch equals that of a study without a kill, and one trial has two attempts."""
    found = {}
    for name in ("undisturbed", "killed"):
        marker = tmp_path / f"{name}.marker"
        if name == "undisturbed":
            marker.touch()
        monkeypatch.setenv("KILLED_ONCE", str(marker))
        run(job, storage=tmp_path, name=name)
        assert marker.exists()
        found[name] = load_results(tmp_path / name)
    columns = ["trial_id", "epoch", "loss", "val_loss", "phase"]
    rows = {
        name: each.epochs.sort_values(["trial_id", "epoch"])[columns].values.tolist() for name, each in found.items()
    }
    assert rows["killed"] == rows["undisturbed"]
    assert len(rows["killed"]) == 10
    assert sorted(found["killed"].trials["attempts"]) == [1, 2]
