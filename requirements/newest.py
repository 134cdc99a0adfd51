"""Install the newest version of each dependency, whatever its upper bound, and run the tests that use libraries.

Without arguments it makes the environment .venv-newest, lists the versions that are newer than those that were tested,
and runs the canaries, the tests of training, execution and the cluster, and the integration tests there; with --list it
only prints what it would install.
"""

import subprocess
import sys
import tomllib
import venv
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".venv-newest"
TESTS = ["tests/unit/training", "tests/unit/execution", "tests/unit/cluster", "tests/contract", "tests/integration"]


def unbounded(text: str) -> Requirement:
    """A requirement without its upper bound.

    Args:
        text: As pyproject.toml has it.
    """
    requirement = Requirement(text)
    kept = [str(each) for each in requirement.specifier if each.operator not in ("<", "<=")]
    requirement.specifier = SpecifierSet(",".join(kept))
    return requirement


def newer(declared: list[str], versions: list[str]) -> list[str]:
    """A line for each dependency whose version is outside its bounds.

    Args:
        declared: Requirements, as pyproject.toml has them.
        versions: The version of each that is installed.
    """
    requirements = [Requirement(each) for each in declared]
    return [
        f"{requirement.name} {version} is newer than the versions that were tested: {requirement.specifier}"
        for requirement, version in zip(requirements, versions, strict=True)
        if not requirement.specifier.contains(version, prereleases=True)
    ]


def main() -> int:
    """Make the environment, say what is newer than what was tested, and run the tests."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared = project["project"]["dependencies"]
    wanted = [str(unbounded(each)) for each in (*declared, *project["dependency-groups"]["dev"])]
    if "--list" in sys.argv:
        print("\n".join(wanted))
        return 0
    venv.create(FOLDER, with_pip=True, clear=True)
    python = str(FOLDER / "bin" / "python")
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, *wanted, *project["dependency-groups"]["build"]], check=True)
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], check=True)
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    names = [Requirement(each).name for each in declared]
    versions = subprocess.run([python, "-c", code, *names], check=True, capture_output=True, text=True).stdout.split()
    print(
        "\n".join(newer(declared, versions) or ["No dependency has a version beyond those that were tested."]),
        flush=True,
    )
    tests = [*TESTS, "-m", "not long", "--numprocesses", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    return subprocess.run([python, "-m", "pytest", *tests], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
