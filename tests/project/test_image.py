"""The Dockerfile: linted, unprivileged, and with equal versions in both kinds of image."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

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
    run, cpu, gpu, tools = pins("run"), pins("cpu"), pins("gpu"), pins("image")
    assert cpu.pop("tensorflow-cpu") == run["tensorflow"]
    # What builds the wheel is in no image.
    building = {name for name in run if name in tools and name not in gpu}
    assert "hatchling" in building
    assert cpu == {name: version for name, version in run.items() if name not in {*building, "tensorflow"}}
    assert {name: version for name, version in gpu.items() if name in run} == {
        name: version for name, version in run.items() if name not in building
    }
    assert any(name.startswith("nvidia-") for name in gpu)


DIGEST = f"sha256:{'5d' * 32}"
CONTAINERS = f"""#!/bin/sh
case "$1 $2" in
    "pull --quiet") test -z "$OFFLINE" ;;
    "image inspect") echo "registry.lab/python@{DIGEST}" ;;
    *) echo "$@" ;;
esac
"""
"""A program in the place of podman that knows one image, and prints how it is called to build."""


def made(folder: Path, *arguments: str, target: str = "image") -> subprocess.CompletedProcess[str]:
    """`make image` with a program in the place of podman."""
    program = folder / "podman"
    program.write_text(CONTAINERS)
    program.chmod(0o755)
    command = ["make", "--silent", target, "KINDS=cpu gpu", f"CONTAINERS={program}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("described", "given", "expected"),
    [
        ("0a1b2c3d", [], ["-0a1b2c3d"]),
        ("", [], []),
        ("0a1b2c3d", ["COMMIT="], []),
    ],
)
def test_an_image_is_tagged_with_version_and_commit(described, given, expected, tmp_path, monkeypatch):
    """`make image` tags images with the version and, if there is one, the commit; it prints the tag for a registry."""
    git = tmp_path / "git"
    git.write_text(f'#!/bin/sh\ntest -n "{described}" && echo "{described}"\n')
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    done = made(tmp_path, *given)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    tags = [version, *(f"{version}{each}" for each in expected)]
    assert re.findall(r"--tag (\S+)", done.stdout) == [
        f"tunepipe-{kind}:{tag}" for kind in ("cpu", "gpu") for tag in tags
    ]
    assert f"REGISTRY/tunepipe-cpu:{tags[-1]}" in done.stdout
    assert made(tmp_path, *given, target="image-tag").stdout == f"{tags[-1]}\n"


@pytest.mark.parametrize("base", ["python:3.11-slim-bookworm", f"registry.lab/python@{DIGEST}"])
def test_images_are_built_from_a_digest(base, tmp_path):
    """`make image` builds both images from the digest that the base has now, which their labels name."""
    builds = [line for line in made(tmp_path, f"BASE={base}").stdout.splitlines() if line.startswith("build ")]
    assert len(builds) == 2
    for line in builds:
        assert f"--build-arg BASE=registry.lab/python@{DIGEST} " in line
        assert f"--label org.opencontainers.image.base.name={base} " in line
        assert f"--label org.opencontainers.image.base.digest={DIGEST} " in line


def test_a_base_that_cannot_be_pulled_is_reported(tmp_path, monkeypatch):
    """Without a registry, `make image` builds from the base on this machine, and says so."""
    monkeypatch.setenv("OFFLINE", "1")
    done = made(tmp_path)
    assert "The base image python:3.11-slim-bookworm could not be pulled" in done.stderr
    assert f"BASE=registry.lab/python@{DIGEST} " in done.stdout


def test_packages_that_images_leave_out_are_not_imported():
    """No module of the product imports a package that the images leave out."""
    removed = re.findall(r"^rm -r (.+)$", (ROOT / "requirements/slim.sh").read_text(), flags=re.M)
    packages = {path.replace("/", ".") for line in removed for path in line.split()} | {"pyarrow.flight"}
    assert {"ray.rllib", "kubernetes.aio"} <= packages
    importing = re.compile(rf"\b(import|from) ({'|'.join(map(re.escape, sorted(packages)))})\b")
    sources = [path for folder in ("pipeline", "tune_jobs") for path in (ROOT / folder).rglob("*.py")]
    assert [path.name for path in sources if importing.search(path.read_text("utf-8"))] == []


def test_images_keep_the_interfaces_of_kubernetes_that_the_product_calls():
    """The client of Kubernetes loads no interface but those that slim.sh leaves, whatever the product asks of it."""
    kept = set(re.findall(r"! -name (\w+_api)\.py", (ROOT / "requirements/slim.sh").read_text()))
    sources = [path.read_text("utf-8") for path in (ROOT / "pipeline/cluster").rglob("*.py")]
    called = sorted({name for source in sources for name in re.findall(r"\b[A-Z]\w+Api\b", source)})
    code = (
        "import sys; from kubernetes import client, config, stream, utils;"
        "[getattr(client, name) for name in sys.argv[1:] if name in client.__all__];"
        "print(*(name.rpartition('.')[2] for name in sys.modules if name.startswith('kubernetes.client.api.')))"
    )
    loaded = subprocess.run([sys.executable, "-c", code, *called], capture_output=True, text=True, check=True).stdout
    assert set(loaded.split()) == kept
