"""What hyperparameters account for."""

import pytest

from pipeline.results.analysis.shares import MIN_SHARE, Pair


@pytest.mark.parametrize(("share", "clear"), [(MIN_SHARE, True), (MIN_SHARE / 2, False), (0.0, False)])
def test_a_pair_with_the_least_share_is_clear(share: float, clear: bool) -> None:
    """A pair counts from the least share on; a smaller one may be nothing."""
    assert Pair(("a", "b"), share, 0.0, 0.2, share).clear is clear
