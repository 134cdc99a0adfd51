"""Internals of other libraries are touched in one module each."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
INTERNALS = tuple(
    ROOT / "pipeline" / home
    for home in ("adapters/keras_tuner.py", "execution/ray/internals.py", "training/internals.py")
)


def test_ruff_bans_what_the_internals_import_everywhere_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    banned = tuple(project["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"])
    private = re.compile(r"^\s*(?:from|import) ((?:ray|keras|tensorflow)(?:\.\w+)+)", re.MULTILINE)
    used = {name for path in INTERNALS for name in private.findall(path.read_text())}
    assert {"ray.train._internal", "keras.src.utils"} <= used
    # Public, and imported by name there.
    used -= {"ray.tune"}
    assert [name for name in sorted(used) if not f"{name}.".startswith(tuple(f"{each}." for each in banned))] == []
