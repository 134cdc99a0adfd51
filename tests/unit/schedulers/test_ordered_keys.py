"""Keys in order, while they come and go."""

from hypothesis import given, strategies as st

from pipeline.schedulers.ordered_keys import OrderedKeys

_KEYS = st.tuples(st.integers(-3, 3), st.integers(0, 3))


@given(st.lists(_KEYS, unique=True), st.data())
def test_items_are_kept_in_order(keys: list[tuple[int, int]], data: st.DataObject) -> None:
    """An ordered list to which keys are added and removed has the same keys and places as a sorted one."""
    ordered, plain = OrderedKeys(keys[::2]), set(keys[::2])
    for key in keys[1::2]:
        ordered.add(key)
        plain.add(key)
    for key in data.draw(st.lists(st.sampled_from(keys), unique=True)) if keys else ():
        ordered.remove(key)
        plain.remove(key)
    assert list(ordered) == sorted(plain)
    assert len(ordered) == len(plain)
    assert ordered[1:] == sorted(plain)[1:]
    sought = data.draw(_KEYS)
    assert ordered.place(sought) == sum(key < sought for key in plain)
