"""The machine and the versions of a node, as a study records them."""

from typing import Any

from pipeline.execution.versions import installed
from pipeline.machine import this_machine

PACKAGES = ("tunepipe", "ray", "tensorflow", "keras", "numpy", "pyarrow", "pandas", "scikit-learn", "optuna", "cmaes")
"""The packages whose versions a study records."""


def node_facts() -> dict[str, Any]:
    """What a study records of the node that a worker runs on: the machine, and the versions there."""
    return {**this_machine().record(), "versions": installed(PACKAGES)}
