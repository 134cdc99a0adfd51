"""SciPy's minimisers on Beale's function."""

import pytest
from scipy.optimize import minimize

from tune_jobs.beale_minimise import METHODS, iterations
from tune_jobs.surfaces import SURFACES


@pytest.mark.parametrize("method", METHODS)
def test_it_is_what_scipy_finds(method: str) -> None:
    """The last iteration equals the result of scipy.optimize.minimize from (4, 4), and evaluations only increase."""
    surface = SURFACES["beale"]
    found = minimize(
        surface.value,
        (4, 4),
        method=method,
        jac=surface.gradient if METHODS[method] else None,
        bounds=[(-4.5, 4.5), (-4.5, 4.5)],
    )
    steps = list(iterations({"surface": "beale", "method": method}))
    assert steps[-1]["value"] == pytest.approx(found.fun, rel=1e-6, abs=1e-12)
    counts = [step["evaluations"] for step in steps]
    assert counts == sorted(counts)
    assert counts[-1] > len(steps) / 2


def test_a_method_finds_the_minimum() -> None:
    """At least one of SciPy's methods ends at the minimum (3, 0.5)."""
    ends = [list(iterations({"surface": "beale", "method": method}))[-1]["distance"] for method in METHODS]
    assert min(ends) < 1e-3
