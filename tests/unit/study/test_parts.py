"""Objective, budget and resources."""

import pytest

from pipeline.study import Objective, layout


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
    """Only a strictly better value beats another; anything beats none."""
    assert Objective("v", mode).better(value, than) is better  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mode", "value", "reaches"), [("max", 1, True), ("max", 0.9, False), ("min", 1, True), ("min", 1.1, False)]
)
def test_reaches(mode: str, value: float, reaches: bool) -> None:
    """A target is reached when it is met exactly."""
    assert Objective("v", mode).reaches(value, 1) is reaches  # type: ignore[arg-type]


def test_names_sort_as_their_numbers() -> None:
    """Trials, parts, sessions and checkpoints lie in the order of their numbers, up to what padding holds."""
    for name in (
        layout.trial_id,
        layout.session,
        lambda n: layout.part("epochs", 1, n),
        lambda n: layout.checkpoint("0000", n),
    ):
        names = [name(number) for number in (0, 1, 9, 10, 99, 100, 999, 9999)]
        assert names == sorted(names)
        assert len(set(names)) == len(names)


def test_parts_and_their_compaction_lie_together() -> None:
    """One folder is one table, whether compacted or not."""
    assert layout.part("epochs", 1, 1).split("/")[0] == layout.compacted("epochs", 1).split("/")[0] == "epochs"
    assert layout.source("tune_jobs.mnist_asha") == "source/tune_jobs.mnist_asha.py"
