"""How long an epoch took on each node."""

import platform

from pipeline import Budget, Objective, TuneJob, Uniform, run
from pipeline.cluster.epoch_durations import epoch_seconds_by_node


def climb(config):
    """A score that grows with each step."""
    for step in range(1, 100):
        yield {"score": config["x"] + step}


def test_a_studys_tables_tell(tmp_path):
    """The seconds of an epoch are read by node from a study's tables, and are empty without a study or a storage."""
    job = TuneJob(
        name="s", function=climb, space={"x": Uniform(0, 1)}, objectives=[Objective("score", "max")],
        budget=Budget(trials=2, epochs=2), resources={"workers": 0},
    )  # fmt: skip
    run(job, storage=tmp_path)
    found = epoch_seconds_by_node(str(tmp_path), "s")
    assert list(found) == [platform.node()]
    assert 0 <= found[platform.node()] < 1
    assert epoch_seconds_by_node(str(tmp_path), "other") == {}
    assert epoch_seconds_by_node("nowhere://x", "s") == {}
