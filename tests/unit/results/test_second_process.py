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
    assert second_process.is_worthwhile(store) is pays


def test_a_process_answers_with_what_it_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process runs `main` of a module on this process's path, and its answer is what it prints."""
    (tmp_path / "asked.py").write_text("def main(*words): print(*words)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with second_process.start_process("asked") as process:
        second_process.send_arguments(process, "much", "more")
        assert second_process.read_answer(process) == b"much more\n"
    assert "asked" not in sys.modules


def test_a_process_imports_libraries_before_it_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries are imported before there are arguments, others are skipped; a process that is never asked ends."""
    (tmp_path / "asked.py").write_text("def main(): pass\n")
    text = "try: import pandas\nexcept ImportError: print('imported', flush=True)\n"
    (tmp_path / "library.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with second_process.start_process("asked", libraries=["library"], hidden=["pandas"]) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"imported\n"
        process.stdin.close()
        assert second_process.read_answer(process) is None


def test_a_process_that_fails_has_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that fails has no answer, whatever it has printed."""
    (tmp_path / "failing.py").write_text("def main():\n    print(1)\n    raise MemoryError\n")
    monkeypatch.syspath_prepend(tmp_path)
    with second_process.start_process("failing") as process:
        second_process.send_arguments(process)
        assert second_process.read_answer(process) is None


def test_a_process_ends_with_the_one_that_started_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process ends when the other end of its standard input is gone, as it is with the process that started it."""
    (tmp_path / "endless.py").write_text("import threading\ndef main(): threading.Event().wait()\n")
    monkeypatch.syspath_prepend(tmp_path)
    with second_process.start_process("endless") as process:
        second_process.send_arguments(process)
        assert process.stdin is not None
        process.stdin.close()
        assert second_process.read_answer(process) is None
