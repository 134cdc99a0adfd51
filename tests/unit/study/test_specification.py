"""Objective, budget and resources."""

import pytest

from pipeline.study import Objective, Resources, layout


@pytest.mark.parametrize(
    ("mode", "value", "than", "better"),
    [
        ("max", 2, 1, True),
        ("max", 1, 1, False),
        ("max", 1, 2, False),
        ("min", 1, 2, True),
        ("min", 1, 1, False),
        ("min", 2, 1, False),
        ("max", -5, None, True),
        ("min", 5, None, True),
    ],
)
def test_better(mode: str, value: float, than: float | None, better: bool) -> None:
    """A value is better only if it is strictly better, and any value is better than none."""
    assert Objective("v", mode).better(value, than) is better  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mode", "value", "reaches"), [("max", 1, True), ("max", 0.9, False), ("min", 1, True), ("min", 1.1, False)]
)
def test_reaches(mode: str, value: float, reaches: bool) -> None:
    """A value that equals the target reaches it."""
    assert Objective("v", mode).reaches(value, 1) is reaches  # type: ignore[arg-type]


def test_names_sort_as_their_numbers() -> None:
    """Names of trials, parts, sessions and checkpoints sort by number within their padding."""
    for name in (
        layout.trial_id,
        layout.session,
        lambda n: layout.part("epochs", 1, n),
        lambda n: layout.checkpoint("0000", n),
    ):
        names = [name(number) for number in (0, 1, 9, 10, 99, 100, 999, 9999)]
        assert names == sorted(names)
        assert len(set(names)) == len(names)


def test_parts_and_their_compaction_are_in_one_folder() -> None:
    """Parts of a table and their compacted file are in one folder."""
    assert layout.part("epochs", 1, 1).split("/")[0] == layout.compacted("epochs", 1).split("/")[0] == "epochs"
    assert layout.source("tune_jobs/mnist_asha.py") == "source/tune_jobs/mnist_asha.py"


@pytest.mark.parametrize(
    ("resources", "cpus", "gpus", "memory", "fits"),
    [
        (Resources(), 4, 0, 1e9, 4),
        (Resources(cpus=0.1), 0.3, 0, 1e9, 3),
        (Resources(cpus=8), 4, 0, 1e9, 0),
        (Resources(gpus=1), 8, 2, 1e9, 2),
        (Resources(cpus=0.1, gpus=0.6), 8, 2, 1e9, 2),
        (Resources(cpus=0.1, gpus=0.3), 8, 2.0, 1e9, 6),
        (Resources(gpus=2), 8, 3, 1e9, 1),
        (Resources(memory_gigabytes=0.75), 8, 0, 3e9, 4),
        (Resources(memory_gigabytes=4), 8, 0, 3e9, 0),
        (Resources(cpus=1e-320), 8, 0, 3e9, 1_000_000_000),
        (Resources(cpus=1e-320, gpus=1e-320), 8, 1, 3e9, 1_000_000_000),
    ],
)
def test_trials_fit_by_what_is_scarcest(resources, cpus, gpus, memory, fits):
    """The number of trials is limited by the scarcest of CPUs, GPUs (or fractions) and reserved memory."""
    assert resources.fit(cpus, gpus, memory) == fits
