"""The Dockerfile: linted, unprivileged, and its two kinds of one mind about versions."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_linter_has_nothing_to_say():
    """Hadolint, with its exceptions explained in the file."""
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_both_kinds_end_as_the_user_whom_the_manifests_name():
    """Not root; the same number as runAsUser."""
    text = (ROOT / "Dockerfile").read_text()
    stages = {part.split("\n")[0].rpartition(" AS ")[2]: part for part in re.split(r"^FROM ", text, flags=re.M)[1:]}
    for kind in ("cpu", "gpu"):
        assert stages[kind].rstrip().endswith("USER 1000:1000")


def test_a_gpu_image_has_the_versions_of_a_cpu_image():
    """Head and workers must not differ: what both lock files name, they pin alike."""
    pins = [
        dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", (ROOT / f"requirements/{name}.txt").read_text(), flags=re.M))
        for name in ("run", "gpu")
    ]
    assert {name: version for name, version in pins[1].items() if name in pins[0]} == pins[0]
    assert any(name.startswith("nvidia-") for name in pins[1])
