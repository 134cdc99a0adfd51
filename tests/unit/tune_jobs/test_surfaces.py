"""Functions of two numbers."""

import numpy as np
import pytest

from tune_jobs.surfaces import SURFACES, Surface

surfaces = pytest.mark.parametrize("surface", SURFACES.values(), ids=SURFACES)


@surfaces
def test_the_minima_are_where_they_should_be(surface: Surface) -> None:
    """At each known minimum the gradient is zero, the value is the minimum, and no grid point is lower."""
    minima = np.array(surface.minima)
    values = surface.value(minima)
    np.testing.assert_allclose(values, values[0], atol=1e-6)
    np.testing.assert_allclose(surface.gradient(minima), 0, atol=1e-3)
    x, y = np.meshgrid(np.linspace(*surface.x, 301), np.linspace(*surface.y, 301))
    assert surface.value(np.stack([x, y], axis=-1)).min() >= values[0] - 1e-9


@surfaces
def test_the_gradient_is_the_functions(surface: Surface) -> None:
    """The gradient agrees with central differences within the bounds."""
    places, step = surface.starts(5), 1e-6
    for axis in (0, 1):
        aside = np.zeros(2)
        aside[axis] = step
        slopes = (surface.value(places + aside) - surface.value(places - aside)) / (2 * step)
        np.testing.assert_allclose(surface.gradient(places)[:, axis], slopes, rtol=1e-5, atol=1e-4)


@surfaces
def test_walks_begin_within_the_bounds(surface: Surface) -> None:
    """The start and an even grid are seventeen distinct points within the bounds, none at a minimum."""
    starts = surface.starts(4)
    assert np.array_equal(surface.within(starts), starts)
    assert len(np.unique(starts, axis=0)) == 17
    assert (surface.distance(starts) > 0.01).all()
    assert starts[0].tolist() == list(surface.start)


def test_beale_equals_the_tutorials() -> None:
    """Beale's function is 1.5² + 2.25² + 2.625² at (0, 0), 0 at (3, 0.5), and a path starts at (4, 4)."""
    beale = SURFACES["beale"]
    assert beale.value(np.zeros(2)) == 1.5**2 + 2.25**2 + 2.625**2
    assert beale.value(np.array([3.0, 0.5])) == 0
    assert (beale.start, beale.x, beale.y) == ((4.0, 4.0), (-4.5, 4.5), (-4.5, 4.5))


def test_the_nearest_of_several_minima_counts() -> None:
    """A point near any minimum of Himmelblau's function counts as near a minimum."""
    surface = SURFACES["himmelblau"]
    np.testing.assert_allclose(surface.distance(np.add(surface.minima, (0.3, 0.4))), 0.5)
