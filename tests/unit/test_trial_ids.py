"""The order of trials by their ids."""

from hypothesis import given, strategies as st

from pipeline.trial_ids import draw_order


@given(numbers=st.lists(st.integers(0, 10**6), unique=True), width=st.integers(1, 6))
def test_trials_are_in_the_order_of_their_numbers(numbers: list[int], width: int) -> None:
    """Trial 10000 follows trial 9999, whatever length ids are padded to."""
    ids = [f"{number:0{width}d}" for number in numbers]
    assert sorted(ids, key=draw_order) == [f"{number:0{width}d}" for number in sorted(numbers)]


def test_numbers_of_any_length_and_texts_have_a_place() -> None:
    """Ids with numbers of any length are in numeric order, and ids that are not numbers follow them."""
    ids = ["0000", "0009", "0010", "9999", "10000", "100000", "9" * 50, "1" + "0" * 50]
    assert sorted(ids, key=draw_order) == ids
    assert sorted(["abc", "0002", "ab"], key=draw_order) == ["0002", "ab", "abc"]
