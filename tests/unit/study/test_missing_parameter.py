"""A KeyError of a config is explained by the names that the space has."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pipeline.space import Switch, Uniform
from pipeline.study.missing_parameter import missing_parameter

WIDTHS = {"small": 8}
CONFIG = {"learning_rate": 0.1, "width": 8}


def raised(function: Callable[[Mapping[str, Any]], Any], config: Mapping[str, Any]) -> BaseException:
    """The error that a function raises for a config."""
    with pytest.raises(Exception) as error:
        function(config)
    return error.value


def _with_more(config: Mapping[str, Any]) -> Any:
    settings = {**config, "more": 1}
    return settings["x"]


def test_the_names_of_the_space_are_listed() -> None:
    """A name that the space lacks is answered with all names that it has, and the closest one first if there is one."""
    error = raised(lambda config: config["lr"], CONFIG)
    assert missing_parameter(error, CONFIG) == (
        "Did you mean learning_rate? The space has learning_rate and width, but no lr."
    )
    error = raised(_with_more, CONFIG)
    assert missing_parameter(error, CONFIG, CONFIG) == "The space has learning_rate and width, but no x."
    assert missing_parameter(raised(lambda config: config["x"], {}), {}) == "The space has no hyperparameter, but no x."


def test_an_attribute_is_read_from_a_dictionary() -> None:
    """A parameter that is read as an attribute is answered with how a dictionary is read."""
    error = raised(lambda config: config.width, CONFIG)
    assert missing_parameter(error, CONFIG) == "A config is a dictionary: read config['width']."
    assert missing_parameter(raised(lambda config: config.height, CONFIG), CONFIG) == ""


def test_a_parameter_of_another_branch_is_named_as_such() -> None:
    """A name that only other configs have is explained by the branches of the Switch."""
    space = {"schedule": Switch({"constant": {}, "decay": {"rate": Uniform(0, 1)}})}
    config = {"schedule": "constant"}
    explained = missing_parameter(raised(lambda config: config["rate"], config), config, space)
    assert explained.startswith("The config of this trial has no rate: only some branches of a Switch have it.")


@pytest.mark.parametrize(
    "function",
    [
        lambda _: {"a": 1}["b"],
        lambda config: config["width"]["lr"],
        lambda config: config[1],
        lambda config: WIDTHS[str(config["width"])],
        lambda config: dict(config).pop("lr"),
    ],
    ids=["another dictionary", "no dictionary", "no name", "a value looked up", "a method"],
)
def test_other_errors_are_not_explained(function: Callable[[Mapping[str, Any]], Any]) -> None:
    """A KeyError of another dictionary, and any other error, is not explained by the space."""
    assert missing_parameter(raised(function, CONFIG), CONFIG) == ""
