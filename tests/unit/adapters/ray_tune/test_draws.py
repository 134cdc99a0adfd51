"""The ranges of what functions draw."""

import random
from typing import Any

import numpy as np
import pytest

from pipeline.adapters.ray_tune.draws import domain_of_draws
from pipeline.adapters.ray_tune.param_space import space_of_ray
from pipeline.space import Choice, IntUniform, LogUniform, Uniform


@pytest.mark.parametrize(
    ("draw", "kind"),
    [
        (lambda: random.uniform(2, 4), Uniform),
        (lambda: np.random.uniform(0.001, 1000), Uniform),
        (lambda: 10 ** random.uniform(-5, -1), LogUniform),
        (lambda: random.randint(1, 1000), IntUniform),
        (lambda: random.choice(["x", "y"]), Choice),
        (lambda: random.choice([0.1, 0.2]), Choice),
        (lambda: random.choice([[1], [2, 3]]), Choice),
    ],
)
def test_draws_have_a_domain(draw: Any, kind: type) -> None:
    """Few values are a choice, many numbers a range, which is logarithmic if their logarithms are spread evenly."""
    domain = space_of_ray({"x": domain_of_draws(draw)}, "the program", "", "")["x"]
    assert type(domain) is kind
    assert getattr(domain, "log", False) is False


def test_whole_numbers_may_be_logarithmic() -> None:
    """Whole numbers whose logarithms are spread evenly have a logarithmic range."""
    domain = space_of_ray({"x": domain_of_draws(lambda: int(10 ** random.uniform(1, 4)))}, "the program", "", "")["x"]
    assert isinstance(domain, IntUniform)
    assert domain.log
    assert 10 <= domain.low < 12
    assert 9900 < domain.high < 10_000
