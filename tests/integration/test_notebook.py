"""A study shown in the kernel of a notebook follows the study that another process writes."""

import json
import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from pipeline.storage.processes import identity
from pipeline.study import layout
from tests.unit.results.studies import Recording, tune_job

pytestmark = pytest.mark.long


_SECONDS = 120


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[BlockingKernelClient]:
    """A new kernel."""
    manager, client = start_new_kernel(startup_timeout=_SECONDS, kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def _until(kernel: BlockingKernelClient, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The kernel's first message that matches."""
    while True:
        message: dict[str, Any] = kernel.get_iopub_msg(timeout=_SECONDS)
        assert message["msg_type"] != "error", message["content"]["traceback"]
        if wanted(message):
            return message["content"]


def _train(study: Recording, number: int) -> None:
    trial, config = layout.trial_id(number), {"lr": 0.1, "momentum": 0.9, "optimizer": "adam"}
    study.decide(trial, 0, "start", number, "drawn", config_after=config)
    study.train(trial, 1, config, 0.5 + number / 100, number + 0.5)
    study.flush()


def test_a_shown_study_is_followed_while_the_kernel_is_free(kernel: BlockingKernelClient, tmp_path: Path) -> None:
    """The pictures below the cell change with new rows, and between them the kernel runs other cells."""
    study = Recording(tmp_path, tune_job("live", scheduler="fifo"))
    _train(study, 0)
    now = datetime.now(UTC).isoformat()
    session = {"number": 1, "state": "running", "started": now, "heartbeat": now, "ended": None, "seconds": 1.0}
    study.store.write(layout.session(1), json.dumps(session | identity(os.getpid())))

    kernel.execute(f"import pipeline\npipeline.show({study.store.uri!r})")
    shown = _until(kernel, lambda message: message["msg_type"] == "display_data")
    assert "<svg" in shown["data"]["text/html"]
    assert re.search("live  running, .*; 1 epoch", shown["data"]["text/html"])

    _train(study, 1)
    kernel.execute("print(6 * 7)")
    _until(kernel, lambda message: message["content"].get("text") == "42\n")
    changed = _until(kernel, lambda message: message["msg_type"] == "update_display_data")
    assert changed["transient"] == shown["transient"]
    assert "; 2 epochs" in changed["data"]["text/html"]

    study.end(5)
    ended = _until(kernel, lambda message: message["msg_type"] == "update_display_data")
    assert "live  finished" in ended["data"]["text/html"]
