"""TensorFlow's messages about the machine and about new models, which are not printed; other output stays."""

import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from tempfile import TemporaryFile
from types import ModuleType

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
"""TensorFlow reads this variable once, while it loads."""

_DRIVER = Path("/proc/driver/nvidia")
"""Where the driver for NVIDIA's GPUs says what it is."""

_NOTE = re.compile(
    rb"[IW]\d{4} |\d{4}-\d\d-\d\d .*: [IW] |WARNING: All log messages before absl::InitializeLog|"
    rb"To enable the following instructions: "
)


def quiet_tensorflow() -> None:
    """Make this process's first import of TensorFlow print no notes.

    Has no effect if TF_CPP_MIN_LOG_LEVEL is 0 or 1, which asks for the notes.
    """
    if _wanted() or "tensorflow" in sys.modules or any(isinstance(finder, _Quiet) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _Quiet())


def quiet_retracing() -> None:
    """Keep TensorFlow from warning that Keras traces its training again: it does so for the model of each trial."""
    logging.getLogger("tensorflow").addFilter(_is_no_retracing)


def _is_no_retracing(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return "triggered tf.function retracing" not in text or "TensorFlowTrainer" not in text


@contextmanager
def without_notes(*, gpus: bool = True) -> Iterator[None]:
    """Keep TensorFlow's notes and warnings off stderr; other lines are printed at the end."""
    if _wanted():
        yield
        return
    level = os.environ.get(_LEVEL)
    os.environ.setdefault(_LEVEL, "2")
    sys.stderr.flush()
    kept = os.dup(2)
    with TemporaryFile() as spool:
        os.dup2(spool.fileno(), 2)
        try:
            yield
        finally:
            if level is None:
                os.environ.pop(_LEVEL, None)
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            spool.seek(0)
            for line in spool:
                if not _NOTE.match(line) and (gpus or b"cuInit" not in line):
                    os.write(2, line)


def _wanted() -> bool:
    return os.environ.get(_LEVEL) in ("0", "1")


class _Quiet(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            _silence(spec.loader)
        return spec


def _silence(loader: Loader) -> None:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        with without_notes():
            execute(module)
        if not _DRIVER.exists():
            # At its first operation, such as that of a metric at the top of a job file, it prints that it has failed.
            with without_notes(gpus=False):
                module.config.list_physical_devices()

    loader.exec_module = exec_module  # type: ignore[method-assign]
