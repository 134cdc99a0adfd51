"""The domains that hyperparameters are drawn from."""

from typing import Any

import pytest
from hypothesis import given
from pydantic import TypeAdapter, ValidationError

from pipeline.space import (
    DOMAINS,
    Space,
)
from tests.unit.space.strategies import domains, valid_domains

_SPACE: TypeAdapter[Any] = TypeAdapter(Space)


@given(domain=valid_domains)
def test_domains_survive_json(domain: Any) -> None:
    """A space written as JSON and read back is equal, down to the types of its values."""
    space = _SPACE.validate_python({"p": domain})
    read = _SPACE.validate_json(_SPACE.dump_json(space))
    assert repr(read) == repr(space)
    assert read == space


@given(domain=domains)
def test_a_faulty_domain_is_refused_with_its_fault(domain: Any) -> None:
    """A domain with a fault can be created, and the space that contains it is refused with that fault."""
    faults = domain.faults()
    if not faults:
        _SPACE.validate_python({"p": domain})
        return
    with pytest.raises(ValidationError) as refused:
        _SPACE.validate_python({"p": domain})
    assert all(fault.allowed in str(refused.value) for fault in faults)


@pytest.mark.parametrize("name", ["lr", "a", "x_1", "a" * 63])
def test_names_of_parameters(name: str) -> None:
    """A parameter name is accepted if it is lower-case and needs no quotes."""
    assert _SPACE.validate_python({name: 1}) == {name: 1}


@pytest.mark.parametrize("name", ["", "LR", "1a", "a-b", "a.b", "a b", "ö", "a" * 64, "a\n", "_a", 'a"', "../x"])
def test_names_that_would_need_quotes_are_refused(name: str) -> None:
    """A parameter name that would need quotes is refused."""
    with pytest.raises(ValidationError):
        _SPACE.validate_python({name: 1})


def test_every_domain_is_known_by_its_kind() -> None:
    """The kind by which JSON identifies a domain is the one of its class."""
    for kind, domain in DOMAINS.items():
        assert domain.__dataclass_fields__["kind"].default == kind
