"""What is printed in the driver's process while Ray runs."""

import threading
from pathlib import Path

import pytest

from pipeline.execution.ray.driver_output import logged_output
from pipeline.storage import Store


def test_only_the_study_and_ray_print_into_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the study's thread and Ray's threads print goes to the driver's log, and other threads print as before."""
    store = Store(tmp_path)
    with logged_output(store):
        print("tune")
        for name in ("ray_print_logs", "main of a program"):
            thread = threading.Thread(target=print, args=(name,), kwargs={"flush": True}, name=name)
            thread.start()
            thread.join()
    assert store.read_text("logs/driver.log") == "tune\nray_print_logs\n"
    assert capsys.readouterr().out == "main of a program\n"
