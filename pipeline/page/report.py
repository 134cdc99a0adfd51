"""The report of a study as it is now, drawn by a separate process: the server loads no matplotlib."""

import base64
import hashlib
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.errors import StorageError
from pipeline.page.study_cache import StudyCache
from pipeline.results.report.page import template
from pipeline.results.tables.load import Results

_SECONDS = 300
"""A report that is not drawn by then is given up."""

_DRAWING = threading.Lock()
"""Reports are drawn one after the other, because each takes a core and some memory."""


def report_html(studies: StudyCache, name: str) -> str:
    """The report of a study, drawn once for each state of the study. Takes seconds."""

    def draw(_results: Results) -> str:
        with _DRAWING, TemporaryDirectory() as folder:
            file = Path(folder) / "report.html"
            options = ["--storage", studies.store.uri, "--output", str(file)]
            command = [sys.executable, "-m", "pipeline", "report", *options, "--", name]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
            except subprocess.TimeoutExpired:
                raise StorageError(f"The report of {name!r:.100} was not drawn within {_SECONDS} seconds.") from None
            if done.returncode:
                raise StorageError(f"The report of {name!r:.100} cannot be drawn: {done.stderr.strip()[-2000:]}")
            return file.read_text("utf-8")

    return studies.derived(name, "report", draw)


def report_policy() -> str:
    """The Content-Security-Policy of a report: its own script runs, known by its hash, and nothing is loaded."""
    script = template("page.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return "; ".join(
        [
            "default-src 'none'", "style-src 'unsafe-inline'", f"script-src 'sha256-{digest}'", "img-src data:",
            "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
        ]
    )  # fmt: skip
