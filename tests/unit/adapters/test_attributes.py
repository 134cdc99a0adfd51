"""Other values for attributes while a program runs."""

from contextlib import suppress
from types import SimpleNamespace

import pytest

from pipeline.adapters.attributes import replaced_attributes


def test_attributes_have_their_values_again_after_an_error() -> None:
    """Attributes have the other values within the context, and their own again after it, even after an error."""
    one, other = SimpleNamespace(a=1), SimpleNamespace(b=2)
    replaced = replaced_attributes([(one, "a", 3), (other, "b", 4), (one, "a", 5)])
    with suppress(KeyError), replaced:
        assert (one.a, other.b) == (5, 4)
        raise KeyError
    assert (one.a, other.b) == (1, 2)


def test_only_attributes_that_exist_are_replaced() -> None:
    """A name that the object does not have is an error, and attributes before it have their own values again."""
    one = SimpleNamespace(a=1)
    with pytest.raises(AttributeError), replaced_attributes([(one, "a", 3), (one, "b", 4)]):
        pass
    assert vars(one) == {"a": 1}
