"""Notes of TensorFlow while it is imported."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.study.tensorflow_messages import quiet_retracing

_PRINTED = """
import os
os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\\n")
os.write(2, b"I0000 00:00:1795673008.961031    8667 port.cc:153] oneDNN custom operations are on.\\n")
os.write(2, b"2026-01-01 10:00:00.1: I tensorflow/core/platform/cpu_feature_guard.cc:210] This binary is optimized\\n")
os.write(2, b"To enable the following instructions: AVX2\\n")
os.write(2, b"E0000 00:00:1795673008.961031    8667 cuda_platform.cc:52] a real error\\n")
print("from Python", file=__import__("sys").stderr)


class config:
    looked = []

    def list_physical_devices():
        if not config.looked:
            os.write(2, b"E0000 00:00:1795673008.961031    8667 cuda_platform.cc:52] failed call to cuInit\\n")
        config.looked.append(True)


def operation():
    config.list_physical_devices()
"""
_CODE = """
from pathlib import Path
from pipeline.study.load_module import load_module
load_module(Path("job.py"))
"""


@pytest.mark.parametrize(("level", "notes"), [(None, False), ("2", False), ("0", True)])
def test_a_job_that_imports_tensorflow_prints_no_notes(tmp_path: Path, level: str | None, notes: bool) -> None:
    """Notes, even of a missing driver, are hidden unless TF_CPP_MIN_LOG_LEVEL is 0; errors and other lines are not."""
    (tmp_path / "tensorflow.py").write_text(_PRINTED)
    (tmp_path / "job.py").write_text("import tensorflow\ntensorflow.operation()\n")
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{Path(__file__).parents[3]}"
    if level is not None:
        environment["TF_CPP_MIN_LOG_LEVEL"] = level
    reported = subprocess.run(
        [sys.executable, "-c", _CODE], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    ).stderr.splitlines()
    if notes or Path("/proc/driver/nvidia").exists():
        assert "failed call to cuInit" in reported.pop()
    assert [line for line in reported if "a real error" in line or line == "from Python"] == reported[-2:]
    assert len(reported) == (6 if notes else 2)


def test_only_warnings_of_keras_about_new_models_are_kept_back(caplog: pytest.LogCaptureFixture) -> None:
    """TensorFlow's warning that Keras traces its training again is hidden, and that of a user's function is printed."""
    quiet_retracing()
    said = "5 out of the last 5 calls to <function {}> triggered tf.function retracing. Tracing is expensive"
    logger = logging.getLogger("tensorflow")
    logger.warning(said.format("TensorFlowTrainer._make_function.<locals>.multi_step_on_iterator at 0x7f"))
    logger.warning(said.format("step at 0x7f"))
    logger.warning("another warning")
    assert [record.getMessage() for record in caplog.records] == [said.format("step at 0x7f"), "another warning"]
