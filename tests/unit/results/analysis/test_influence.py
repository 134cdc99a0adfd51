"""What hyperparameters tell about the order of trials, each by itself."""

import numpy as np

from pipeline.results.analysis.influence import most_influential, quarters, ranks, share_between


def test_the_most_influential_axes_are_chosen() -> None:
    """Of many axes, those on which the values depend are chosen, numbers and listed values."""
    units = np.random.default_rng(0).random((200, 40))
    units[:, 31] = np.round(units[:, 31])
    values = units[:, 17] + 0.5 * units[:, 31]
    assert most_influential(units, values, 2).tolist() == [17, 31]
    assert len(most_influential(units, values, 5)) == 5


def test_the_first_axes_come_before_others() -> None:
    """Axes that are to come first are chosen before others that tell more, even if they tell nothing."""
    units = np.random.default_rng(0).random((100, 30))
    values = units[:, 20]
    assert set(range(4)) <= set(most_influential(units, values, 5, first=4).tolist())
    assert 20 in most_influential(units, values, 5, first=4)
    assert most_influential(units, values, 3, first=4).max() < 4


def test_no_axis_is_left_out_where_there_is_room_for_all() -> None:
    """If there are no more axes than are wanted, all of them are chosen, in their order."""
    assert most_influential(np.zeros((3, 4)), np.arange(3.0), 4, first=1).tolist() == [0, 1, 2, 3]


def test_equal_values_share_their_rank() -> None:
    """Equal values have the mean of the ranks that they take."""
    assert ranks(np.array([5.0, 1.0, 5.0, 7.0])).tolist() == [2.5, 1.0, 2.5, 4.0]


def test_parts_that_differ_by_chance_have_no_share() -> None:
    """Parts account for all of the ranks if these differ between parts alone, and for nothing if they do not differ."""
    ranked = np.array([1.0, 1.0, 2.0, 2.0])
    assert share_between(np.array([0.0, 0.0, 1.0, 1.0]), ranked) == 1
    assert share_between(np.array([0.0, 1.0, 0.0, 1.0]), ranked) == 0
    assert share_between(np.full(4, np.nan), ranked) == 0


def test_places_are_divided_into_quarters() -> None:
    """Places are divided into four parts with as many places each; a missing place is in none."""
    parts = quarters(np.append(np.arange(8.0), np.nan))
    assert parts[:8].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert np.isnan(parts[8])
