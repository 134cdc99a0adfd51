"""A container's control groups as files."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest


@pytest.fixture
def container(tmp_path) -> Callable[[str, Mapping[str, str]], Path]:
    """Makes a root folder with a /proc/self/cgroup and files below /sys/fs/cgroup."""

    def made(groups: str, files: Mapping[str, str]) -> Path:
        contents = {"proc/self/cgroup": groups, **{f"sys/fs/cgroup/{name}": text for name, text in files.items()}}
        for name, text in contents.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(f"{text}\n")
        return tmp_path

    return made
