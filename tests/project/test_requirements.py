"""Other libraries: the versions that are allowed and pinned, and the modules that touch their internals."""

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
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("name", LOCKED)
def test_pins_are_within_the_bounds(name: str) -> None:
    lines = re.findall(
        r"^([\w.-]+)(?:\[[^]]*\])?==([^ ;\\]+)", (ROOT / "requirements" / f"{name}.txt").read_text(), re.M
    )
    pins = {normalized(package): version for package, version in lines}
    for each in map(Requirement, LOCKED[name]):
        version = pins[normalized(each.name)]
        assert each.specifier.contains(version), f"{each.name} is pinned to {version}; allowed is {each.specifier}"


def test_each_dependency_has_an_upper_bound() -> None:
    unbounded = [
        each for each in LOCKED["gpu"] if not any(part.operator in ("<", "<=") for part in Requirement(each).specifier)
    ]
    assert unbounded == []


INTERNALS = tuple(
    ROOT / "pipeline" / home
    for home in ("adapters/keras_tuner.py", "execution/ray/internals.py", "training/internals.py")
)


def test_ruff_bans_what_the_internals_import_everywhere_else() -> None:
    banned = tuple(PROJECT["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"])
    private = re.compile(r"^\s*(?:from|import) ((?:ray|keras|tensorflow)(?:\.\w+)+)", re.MULTILINE)
    used = {name for path in INTERNALS for name in private.findall(path.read_text())}
    assert {"ray.train._internal", "keras.src.utils"} <= used
    # Public, and imported by name there.
    used -= {"ray.tune"}
    assert [name for name in sorted(used) if not f"{name}.".startswith(tuple(f"{each}." for each in banned))] == []
