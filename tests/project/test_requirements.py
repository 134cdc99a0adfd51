"""The versions that pyproject.toml allows and that the lock files pin."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKED = {
    "run": PROJECT["project"]["dependencies"],
    "gpu": [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["gpu"]],
    "dev": PROJECT["dependency-groups"]["dev"],
    "bench": PROJECT["dependency-groups"]["bench"],
}


def normalized(name: str) -> str:
    """A package's name in the normalised form of package indexes."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("name", LOCKED)
def test_pins_are_within_the_bounds(name: str) -> None:
    """Every version that a lock file pins is one that pyproject.toml allows."""
    lines = re.findall(
        r"^([\w.-]+)(?:\[[^]]*\])?==([^ ;\\]+)", (ROOT / "requirements" / f"{name}.txt").read_text(), re.M
    )
    pins = {normalized(package): version for package, version in lines}
    for each in map(Requirement, LOCKED[name]):
        version = pins[normalized(each.name)]
        assert each.specifier.contains(version), f"{each.name} is pinned to {version}; allowed is {each.specifier}"


def test_each_dependency_has_an_upper_bound() -> None:
    """Every dependency of tunepipe has an upper bound at the versions that were tested."""
    unbounded = [
        each for each in LOCKED["gpu"] if not any(part.operator in ("<", "<=") for part in Requirement(each).specifier)
    ]
    assert unbounded == []
