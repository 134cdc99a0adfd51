"""Facts about Ray that tunepipe states without importing Ray, looked up in Ray's sources."""

from importlib.metadata import distribution
from pathlib import Path


def check_text(text: str, file: str, use: str, without: str) -> None:
    """Fail in words if a file of Ray's no longer has a text."""
    ray = distribution("ray")
    path = Path(str(ray.locate_file(f"ray/{file}")))
    content = path.read_bytes() if path.is_file() else b""
    assert text.encode() in content, (
        f"Ray {ray.version} no longer has {text!r} in {file}; {use}; without it, {without}."
    )
