"""When a command about a study starts a second process, and how that runs."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.machine.machine import this_machine
from pipeline.results import second_process
from pipeline.storage import Store


@pytest.mark.parametrize(("size", "cpus", "pays"), [(1_000_000, 2, True), (999_999, 2, False), (1_000_000, 1, False)])
def test_a_second_process_needs_a_large_study_and_two_cpus(
    size: int, cpus: int, pays: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second process pays for a study with a megabyte of epochs, on a machine with two CPUs."""
    machine = this_machine()
    store = Store(tmp_path)
    store.write("epochs/one.parquet", bytes(size // 2))
    store.write("epochs/two.parquet", bytes(size - size // 2))
    monkeypatch.setattr(second_process, "this_machine", lambda: replace(machine, cpus=cpus))
    assert second_process.pays(store) is pays


def test_a_process_answers_through_its_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process runs `main` of a module on this process's path, and its answer is what it prints."""
    (tmp_path / "asked.py").write_text("import sys\ndef main(word): print(word, sys.stdin.read())\n")
    monkeypatch.syspath_prepend(tmp_path)
    with second_process.started("asked", "much") as process:
        answer, _ = process.communicate(b"more")
    assert (process.returncode, answer) == (0, b"much more\n")
    assert "asked" not in sys.modules


def test_a_process_that_fails_says_so_by_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that fails prints nothing, and ends with a code other than 0."""
    (tmp_path / "failing.py").write_text("def main(): raise MemoryError\n")
    monkeypatch.syspath_prepend(tmp_path)
    with second_process.started("failing") as process:
        answer, _ = process.communicate()
    assert process.returncode != 0
    assert answer == b""
