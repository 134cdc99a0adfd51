"""KerasTuner's hp without KerasTuner."""

from typing import Any

import pytest

from pipeline.adapters.keras_tuner.hyperparameters import HyperParameters
from pipeline.errors import InvalidJob
from pipeline.space import Choice, IntUniform, LogUniform, QUniform, Uniform


@pytest.mark.parametrize(
    ("ask", "domain", "default"),
    [
        (lambda hp: hp.Int("x", 1, 5), IntUniform(1, 5), 1),
        (lambda hp: hp.Int("x", 32, 128, step=32, default=64), IntUniform(32, 128, step=32), 64),
        (lambda hp: hp.Int("x", 1, 64, sampling="log"), IntUniform(1, 64, log=True), 1),
        (lambda hp: hp.Int("x", 8, 64, step=2, sampling="log"), Choice((8, 16, 32, 64)), 8),
        (lambda hp: hp.Int("x", 3, 3), 3, 3),
        (lambda hp: hp.Float("x", 0, 1), Uniform(0.0, 1.0), 0.0),
        (lambda hp: hp.Float("x", 1e-4, 1e-2, sampling="log", default=1e-3), LogUniform(1e-4, 1e-2), 1e-3),
        (lambda hp: hp.Float("x", 0, 0.5, step=0.1), QUniform(0.0, 0.5, 0.1), 0.0),
        (lambda hp: hp.Float("x", 0.05, 0.5, step=0.15), Choice((0.05, 0.2, 0.35, 0.5)), 0.05),
        (lambda hp: hp.Float("x", 0.001, 0.1, step=10, sampling="log"), Choice((0.001, 0.01, 0.1)), 0.001),
        (lambda hp: hp.Choice("x", [1, 2], default=2), Choice((1, 2)), 2),
        (lambda hp: hp.Choice("x", ["a"]), "a", "a"),
        (lambda hp: hp.Boolean("x"), Choice((False, True)), False),
        (lambda hp: hp.Fixed("x", 0.1), 0.1, 0.1),
    ],
)
def test_a_hyperparameter_is_found_with_its_domain(ask: Any, domain: Any, default: Any) -> None:
    """A hyperparameter is recorded with its domain and line, and has KerasTuner's default unless a value is given."""
    hp = HyperParameters()
    assert ask(hp) == default
    (found,) = hp.found
    assert (found.name, found.domain) == ("x", domain)
    assert found.line.startswith("test_hyperparameters.py, line ")
    value = domain.nth(1) if isinstance(domain, Choice) else default
    assert ask(HyperParameters({"x": value})) == value
    assert hp.get("x") == hp["x"] == default
    assert "x" in hp


def test_conditions_and_scopes() -> None:
    """A KerasTuner hyperparameter under a false condition is None, and a scope prefixes the names in it."""
    hp = HyperParameters()
    hp.Choice("kind", ["a", "b"])
    with hp.conditional_scope("kind", "b"):
        assert hp.Int("n", 1, 3) is None
    assert hp.Float("x", 0, 1, parent_name="kind", parent_values=["a"]) == 0.0
    with hp.name_scope("block"):
        hp.Boolean("on")
    assert [(one.name, one.conditions) for one in hp.found] == [
        ("kind", ()),
        ("n", (("kind", ("b",)),)),
        ("x", (("kind", ("a",)),)),
        ("block/on", ()),
    ]
    with pytest.raises(ValueError, match="n is currently inactive"):
        hp.get("n")
    with pytest.raises(KeyError, match="m does not exist"):
        hp.get("m")


def test_a_config_gives_the_values() -> None:
    """A config sets hyperparameters by the parameter names of the study, with text converted to their types."""
    hp = HyperParameters({"layers": "2", "block_on": "True"})
    assert hp.Int("Layers", 1, 3) == 2
    with hp.name_scope("block"):
        assert hp.Boolean("on") is True
    copied = hp.copy()
    assert copied.Int("Layers", 1, 3) == 2


def test_parameters_without_a_domain_are_refused_with_their_line() -> None:
    """A KerasTuner hyperparameter with a domain that tunepipe lacks, such as reverse_log, is refused with its line."""
    with pytest.raises(InvalidJob, match=r"test_hyperparameters.py, line \d+: must be sampled linearly"):
        HyperParameters().Float("x", 0.1, 1, sampling="reverse_log")
