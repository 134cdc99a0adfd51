"""Configs as rows of numbers."""

import numpy as np

from pipeline.simulation.encoding import Encoding
from tests.unit.simulation.simulation_inputs import SPACE

_CONFIG = {"x": 0.5, "lr": 1e-2, "kind": "a", "schedule": "constant"}


def _distance(one, other):
    encoding = Encoding(SPACE)
    return float(encoding.distances(encoding.row(one), np.array([encoding.row(other)]))[0])


def test_a_config_is_not_far_from_itself():
    """A config has the distance 0 to itself, even if a parameter is missing."""
    assert _distance(_CONFIG, _CONFIG) == 0
    cyclic = {**_CONFIG, "schedule": "cyclic", "period": 3.0}
    assert _distance(cyclic, cyclic) == 0


def test_numbers_count_by_their_place_and_listed_values_as_other_or_not():
    """Distances of numbers are relative to the range, and of listed values 0 or 1."""
    assert round(_distance(_CONFIG, {**_CONFIG, "lr": 1e-3}), 6) == 0.0625
    assert _distance(_CONFIG, {**_CONFIG, "kind": "b"}) == _distance(_CONFIG, {**_CONFIG, "kind": "c"}) == 1


def test_a_branch_is_another_and_so_is_what_it_brings():
    """A different branch of a switch and a parameter that only one config has each add 1 to the distance."""
    assert _distance(_CONFIG, {**_CONFIG, "schedule": "cyclic", "period": 3.0}) == 2
