"""The Dockerfile: linted, unprivileged, and with equal versions in both kinds of image."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_linter_has_nothing_to_say():
    """Hadolint finds only the exceptions that the Dockerfile explains."""
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_both_kinds_end_as_the_user_whom_the_manifests_name():
    """Both images run as the numeric user of runAsUser, not as root."""
    text = (ROOT / "Dockerfile").read_text()
    stages = {part.split("\n")[0].rpartition(" AS ")[2]: part for part in re.split(r"^FROM ", text, flags=re.M)[1:]}
    for kind in ("cpu", "gpu"):
        assert stages[kind].rstrip().endswith("USER 1000:1000")


def pins(name: str) -> dict[str, str]:
    """The pinned packages of a lock file: package → version."""
    text = (ROOT / f"requirements/{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, flags=re.M))


def test_images_have_the_versions_of_an_installation():
    """Lock files pin the same versions for head and workers; the CPU image has TensorFlow without CUDA's kernels."""
    run, cpu, gpu = pins("run"), pins("cpu"), pins("gpu")
    assert cpu.pop("tensorflow-cpu") == run["tensorflow"]
    assert cpu == {name: version for name, version in run.items() if name != "tensorflow"}
    assert {name: version for name, version in gpu.items() if name in run} == run
    assert any(name.startswith("nvidia-") for name in gpu)


def test_an_image_is_tagged_with_its_version():
    """`make image` tags an image with the project's version, so that a cluster can name a fixed one."""
    done = subprocess.run(
        ["make", "--dry-run", "image", "KINDS=cpu", "CONTAINERS=podman"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"--tag tunepipe-$kind:{version} " in done.stdout
