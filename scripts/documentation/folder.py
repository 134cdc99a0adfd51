"""A folder in which a page's commands are run, as on a reader's machine."""

import contextlib
import fcntl
import os
import pty
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.documentation.markdown import Command, SourceFile, Step

ROOT = Path(__file__).parents[2]
_PROMPT, _ANSWER = "[y/N]: ", "y"
_ROWS, _COLUMNS = 50, 136


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    output: str
    errors: str


class Folder:
    """Runs steps one after another, in one folder."""

    HOME = "/home/you"
    """What outputs call the folder."""

    def __init__(self, home: Path, environment: Mapping[str, str] | None = None, path: str = "") -> None:
        self.path = home
        binaries = home / ".bin"
        binaries.mkdir()
        for name, words in {"tunepipe": [sys.executable, "-m", "pipeline.cli.app"], "python": [sys.executable]}.items():
            (binaries / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
            (binaries / name).chmod(0o755)
        self._environment = {
            **os.environ,
            "PATH": ":".join(filter(None, (str(binaries), path, os.environ["PATH"]))),
            "PYTHONPATH": str(ROOT),
            "HOME": str(home),
            "TERM": "dumb",
            "COLUMNS": str(_COLUMNS),
            "LINES": str(_ROWS),
            "NO_COLOR": "1",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            **(environment or {}),
        }

    def take(self, step: Step) -> Done:
        """Take a step: run a command, or write a file."""
        if isinstance(step, SourceFile):
            (self.path / step.name).write_text(step.text, encoding="utf-8")
            return Done(0, "", "")
        if step.text.startswith("export "):
            self._environment |= dict(word.split("=", 1) for word in shlex.split(step.text)[1:])
            return Done(0, "", "")
        return self._run(step)

    def _run(self, command: Command) -> Done:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        with tempfile.TemporaryFile() as errors, os.fdopen(ours, "rb", buffering=0) as terminal:
            process = subprocess.Popen(
                ["bash", "-c", command.text],
                cwd=self.path,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=theirs,
                stderr=errors,
            )
            os.close(theirs)
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(f"{_ANSWER}\n".encode())
                process.stdin.close()
            output = b""
            # Reading a terminal without writers ends with an error.
            with contextlib.suppress(OSError):
                while read := terminal.read(65536):
                    output += read
            code = process.wait()
            errors.seek(0)
            told = self._shown(errors.read())
        return Done(code, self._shown(output) or told, told)

    def _shown(self, output: bytes) -> str:
        text = output.decode(errors="replace").replace("\r\n", "\n").replace(str(self.path), self.HOME)
        text = text.replace(_PROMPT, f"{_PROMPT}{_ANSWER}\n")
        return "".join(f"{line.rstrip()}\n" for line in text.splitlines())
