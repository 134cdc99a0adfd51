"""Functions of two numbers."""

import numpy as np
import pytest

from tune_jobs.surfaces import SURFACES, Surface

surfaces = pytest.mark.parametrize("surface", SURFACES.values(), ids=SURFACES)


@surfaces
def test_the_minima_are_where_they_should_be(surface: Surface) -> None:
    minima = np.array(surface.minima)
    values = surface.value(minima)
    np.testing.assert_allclose(values, values[0], atol=1e-6)
    np.testing.assert_allclose(surface.gradient(minima), 0, atol=1e-3)
    x, y = np.meshgrid(np.linspace(*surface.x, 301), np.linspace(*surface.y, 301))
    assert surface.value(np.stack([x, y], axis=-1)).min() >= values[0] - 1e-9


@surfaces
def test_the_gradient_is_the_functions(surface: Surface) -> None:
    places, step = surface.starts(5), 1e-6
    for axis in (0, 1):
        aside = np.zeros(2)
        aside[axis] = step
        slopes = (surface.value(places + aside) - surface.value(places - aside)) / (2 * step)
        np.testing.assert_allclose(surface.gradient(places)[:, axis], slopes, rtol=1e-5, atol=1e-4)


def test_beale_equals_the_tutorials() -> None:
    beale = SURFACES["beale"]
    assert beale.value(np.zeros(2)) == 1.5**2 + 2.25**2 + 2.625**2
    assert beale.value(np.array([3.0, 0.5])) == 0
    assert (beale.start, beale.x, beale.y) == ((4.0, 4.0), (-4.5, 4.5), (-4.5, 4.5))
