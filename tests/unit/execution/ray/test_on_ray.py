"""A study on Ray: signals while Ray starts and ends, and what goes to the study's log; no Ray is started."""

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import ray

from pipeline import run
from pipeline.errors import Interrupted
from pipeline.execution.ray import on_ray
from pipeline.storage import Store
from tests.recorded_curves import new_study


def signalled_study(folder: str) -> None:
    """A study that is signalled while Ray starts and while it ends, in a process of its own: its end ends a cluster."""
    happened = []

    def with_signal(what: str) -> Any:
        def signalled(*_: Any, **__: Any) -> None:
            signal.raise_signal(signal.SIGTERM)
            happened.append(what)

        return signalled

    job = new_study(Path(folder) / "other", resources={"workers": 1}).session.job
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray, "init", with_signal("started"))
        patch.setattr(ray, "shutdown", with_signal("ended"))
        with pytest.raises(Interrupted):
            run(job, storage=folder, note=lambda _: None)
    assert happened == ["started", "ended"]


@pytest.mark.long
def test_a_signal_waits_while_ray_starts_and_while_it_ends(tmp_path: Path) -> None:
    call = f"from tests.unit.execution.ray import test_on_ray; test_on_ray.signalled_study({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_ray_prints_is_in_the_studys_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)
    with on_ray.logged_output(store):
        thread = threading.Thread(target=print, args=("ray",), kwargs={"flush": True})
        thread.start()
        thread.join()
    assert store.read_text("logs/driver.log") == "ray\n"
    assert capsys.readouterr().out == ""
