"""Resolve pyproject.toml into run, cpu, gpu, dev and bench.txt: one pin for every Python and platform, with hashes."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def lock(name: str, *arguments: str) -> None:
    """Write `name`.txt, which agrees with run.txt wherever both name a package."""
    constraint = [] if name == "run" else ["--constraint", "run.txt"]
    command = [
        sys.executable, "-m", "uv", "pip", "compile", "../pyproject.toml", *arguments, *constraint,
        "--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url",
        "--no-annotate", "--no-header", "--quiet", "--output-file", f"{name}.txt",
    ]  # fmt: skip
    subprocess.run(command, check=True, cwd=HERE)


if __name__ == "__main__":
    lock("run", "--group", "../pyproject.toml:build")
    lock("cpu", "cpu.in", "--override", "without-tensorflow.in", "--group", "../pyproject.toml:build")
    lock("gpu", "--extra", "gpu", "--group", "../pyproject.toml:build")
    lock("dev", "--group", "../pyproject.toml:dev")
    lock("bench", "--group", "../pyproject.toml:bench")
