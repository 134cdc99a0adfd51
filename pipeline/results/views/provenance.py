"""Where a study's numbers come from, as its sessions recorded it: as JSON and as text."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.text import size


def provenance_in_words(sessions: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The sessions with a record of provenance, each with lines of label and text."""
    return [(_title(session), _lines(session)) for session in sessions if session.get("provenance")]


def _title(session: Mapping[str, Any]) -> str:
    started = session.get("started")
    when = f", {started[:10]} {started[11:19]} UTC" if started else ""
    return f"session {session['number']}{when}"


def _lines(session: Mapping[str, Any]) -> list[tuple[str, str]]:
    provenance = session["provenance"]
    git = provenance["git"]
    changed = ", with uncommitted changes" if git and git["dirty"] else ""
    lines = [
        ("command", shlex.join(provenance["command"])),
        ("commit", f"{git['commit']}{changed}" if git else "unknown"),
        ("versions", ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())),
        ("machine", _machine(provenance["machine"])),
        ("seed", str(provenance["seed"])),
    ]
    others = [node for node in session.get("nodes") or () if node["host"] != provenance["machine"]["host"]]
    for node in others:
        differ = {
            name: version for name, version in node["versions"].items() if provenance["versions"].get(name) != version
        }
        also = f"; {', '.join(f'{name} {version}' for name, version in differ.items())}" if differ else ""
        lines.append(("worker on", f"{_machine(node)}{also}"))
    return lines


def _machine(machine: Mapping[str, Any]) -> str:
    gpus = {model: machine["gpus"].count(model) for model in machine["gpus"]}
    parts = [
        machine["host"],
        machine["system"],
        f"{machine['cpu']}, {machine['cores']} cores",
        f"{size(machine['memory'])} of memory",
        *(f"{count} × {model}" for model, count in gpus.items()),
    ]
    return ", ".join(part for part in parts if part)
