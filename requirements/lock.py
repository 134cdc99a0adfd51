"""Resolve pyproject.toml into run, cpu, gpu, dev, bench and image.txt: one pin for all platforms, with hashes."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def lock(name: str, *arguments: str) -> None:
    """Write `name`.txt, which agrees with run.txt wherever both name a package."""
    constraint = [] if name == "run" else ["--constraint", "run.txt"]
    compiled(name, "../pyproject.toml", *arguments, *constraint)


def compiled(name: str, *arguments: str) -> None:
    """Write `name`.txt."""
    command = [
        sys.executable, "-m", "uv", "pip", "compile", *arguments,
        "--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url",
        "--no-annotate", "--no-header", "--quiet", "--output-file", f"{name}.txt",
    ]  # fmt: skip
    subprocess.run(command, check=True, cwd=HERE)


if __name__ == "__main__":
    lock("run", "--group", "../pyproject.toml:build")
    lock("cpu", "cpu.in", "--override", "without-tensorflow.in")
    lock("gpu", "--extra", "gpu")
    lock("dev", "--group", "../pyproject.toml:dev")
    lock("bench", "--group", "../pyproject.toml:bench")
    # Of tools in a separate environment.
    compiled("image", "--group", "../pyproject.toml:image", "--constraint", "run.txt")
