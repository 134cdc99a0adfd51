"""The versions that pyproject.toml allows and that the lock files pin."""

import re
import runpy
import subprocess
import sys
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


def test_libraries_with_internals_in_use_have_a_tested_upper_bound() -> None:
    """Ray, TensorFlow and Keras are bounded at the next minor version, because their internals may change."""
    bounds = {Requirement(each).name: Requirement(each).specifier for each in PROJECT["project"]["dependencies"]}
    assert not bounds["ray"].contains("2.61")
    assert not bounds["tensorflow"].contains("2.22")
    assert not bounds["keras"].contains("3.16")


def test_the_newest_versions_are_asked_for_without_an_upper_bound() -> None:
    """`make test-newest` requests versions without an upper bound and with the lower bounds."""
    command = [sys.executable, "requirements/newest.py", "--list"]
    wanted = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    assert "keras>=3.15" in wanted
    assert "ray[default,tune]>=2.60" in wanted
    assert not any("<" in each for each in wanted)


def test_versions_beyond_the_bounds_are_listed() -> None:
    """`make test-newest` lists exactly the versions that are outside the bounds."""
    path = ROOT / "requirements/newest.py"
    newer = runpy.run_path(str(path))["newer"]
    assert newer(["keras>=3.15,<3.16", "ray[tune]>=2.60,<2.61"], ["3.16.0", "2.60.1"]) == [
        "keras 3.16.0 is newer than the versions that were tested: <3.16,>=3.15"
    ]
