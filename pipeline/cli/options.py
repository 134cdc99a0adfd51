"""What several commands share: options, and how a word on the command line becomes a value."""

import json
from typing import Annotated, Any

import typer

from pipeline.errors import Fault, InvalidJob

__all__ = ["Json", "Name", "Storage", "assignments"]

Storage = Annotated[str, typer.Option(help="Where studies lie: a folder, or a URI (s3://…, gs://…, abfs://…).")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object; everything else goes to stderr.")]
Name = Annotated[str, typer.Argument(help="The study's name.", show_default=False)]


def assignments(pairs: list[str]) -> dict[str, Any]:
    """`--set` arguments as fields of a job.

    Args:
        pairs: `field=value`; the value is JSON where it reads as JSON, else text.

    Raises:
        InvalidJob: An argument has no `=`.
    """
    changes: dict[str, Any] = {}
    for pair in pairs:
        field, equals, text = pair.partition("=")
        if not equals or not field:
            raise InvalidJob("the command line", [Fault("--set", pair, "must be field=value, as in space.lr=0.1")])
        try:
            changes[field.strip()] = json.loads(text)
        except (ValueError, RecursionError):
            changes[field.strip()] = text
    return changes
