"""What a population changes, as users write it."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.schedulers import PBT, AnyScheduler
from pipeline.schedulers.exploration import changed_names, changes_text, explore_faults, explored_domains
from pipeline.space import Choice, IntUniform, LogUniform, Switch, Uniform

_SPACE = {
    "lr": LogUniform(1e-4, 1),
    "width": IntUniform(4, 64),
    "how": Switch({"slow": {"rate": Uniform(0, 1)}, "fast": {"rate": Uniform(0, 9)}}),
    "fixed": 3,
}


def read(explore: Any) -> Any:
    """The `explore` of a scheduler in JSON."""
    return TypeAdapter(AnyScheduler).validate_python({"kind": "pbt", "explore": explore}).explore


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ("lr", ("lr",)),
        (["lr", "width"], ("lr", "width")),
        ([], ()),
        ({"lr": {"kind": "loguniform", "low": 1e-3, "high": 0.1}}, {"lr": LogUniform(1e-3, 0.1)}),
        ({"lr": LogUniform(1e-3, 0.1), "width": None}, {"lr": LogUniform(1e-3, 0.1), "width": None}),
    ],
)
def test_names_and_domains_are_read(given: Any, expected: Any) -> None:
    """What is explored is a name, names, or a domain for each, and goes through JSON unchanged."""
    assert read(given) == expected
    written = TypeAdapter(AnyScheduler).dump_python(PBT(explore=expected), mode="json")
    assert read(written["explore"]) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "must be a list of hyperparameters, or an object with a domain for each"),
        ([1], "must be a list of hyperparameters"),
        ({"lr": 0.1}, "must have a domain for lr, such as LogUniform"),
        ({"lr": Uniform(2, 1)}, "must have a domain for lr, such as LogUniform"),
    ],
)
def test_other_values_are_refused(given: Any, message: str) -> None:
    """Anything else is refused with what is allowed, for a domain with its hyperparameter."""
    with pytest.raises(ValidationError, match=message):
        read(given)


def test_hyperparameters_have_their_domains() -> None:
    """Names alone have the domains of the space, and nothing at all means every hyperparameter."""
    assert explored_domains(None) is None
    assert explored_domains(("lr",)) == {"lr": None}
    assert explored_domains({"lr": Uniform(0, 1)}) == {"lr": Uniform(0, 1)}
    assert changed_names(_SPACE, None) == ["lr", "width", "how", "rate"]
    assert changed_names(_SPACE, ["rate", "fixed"]) == ["rate"]


@pytest.mark.parametrize(
    ("explore", "faults"),
    [
        (None, []),
        (["lr", "rate", "fixed"], []),
        ({"lr": LogUniform(1e-3, 1), "rate": Uniform(0, 0.5), "width": Choice((8, 16)), "how": None}, []),
        ({"fixed": Uniform(0, 1)}, []),
        (["wdth"], ["scheduler.explore: must name hyperparameters: lr, width, how, rate, fixed; did you mean width?"]),
        (
            {"lr": Uniform(0, 1)},
            ["scheduler.explore.lr: must be within space.lr, which is LogUniform(low=0.0001, high=1)"],
        ),
        ({"width": Choice((8, 128))}, ["scheduler.explore.width: must be within space.width"]),
        ({"rate": Uniform(0, 2)}, ["scheduler.explore.rate: must be within space.how.slow.rate"]),
        ({"how": Choice(("slow",))}, ["scheduler.explore.how: must be null: a Switch is explored with the branches"]),
    ],
)
def test_names_and_domains_beyond_the_space_are_faults(explore: Any, faults: list[str]) -> None:
    """Names that the space lacks and domains beyond its own are faults; a fixed hyperparameter stays as it is."""
    found = [str(fault) for fault in explore_faults(_SPACE, explore)]
    assert len(found) == len(faults)
    assert all(text.startswith(start) for text, start in zip(found, faults, strict=True))


def test_the_text_of_a_change_has_each_hyperparameter() -> None:
    """The text of an explore step has each hyperparameter: changed, unchanged, new and removed."""
    assert changes_text({"lr": 0.1, "width": 8, "old": 1}, {"lr": 0.12345, "width": 8, "new": "a"}) == (
        "lr 0.1 → 0.1235, width stays 8, new a, new, old is removed"
    )
