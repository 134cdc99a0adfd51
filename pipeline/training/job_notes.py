"""What the trials of a process have shown about their job: each fact is printed once."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pipeline.study.context import current
from pipeline.wording import capitalized


class _Member(Protocol):
    """A model of a trial, in training."""

    callbacks: Any


class JobNotes:
    """Prints each fact about a job once, and remembers it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        """What was printed, in order: each a sentence or a part of one."""
        self.shared: str | None = None
        """The callback that writes where all trials write, in words; None if there is none."""
        self._subjects = set[str]()

    def print_once(self, what: str, *, subject: str | None = None) -> None:
        """Print a fact unless it was printed before."""
        subject = what if subject is None else subject
        if subject not in self._subjects:
            self._subjects.add(subject)
            self.texts.append(what)
            print(f"tunepipe: {capitalized(what)}")

    def look_for_shared(self, members: Sequence[_Member], config: Mapping[str, Any]) -> None:
        """Print which callback writes where all trials write, as soon as a trial has one."""
        own = current()
        if own is None or self.shared is not None:
            return
        names = [own.id, *(str(value) for value in config.values())]
        self.shared = next(filter(None, (member.callbacks.shared(names) for member in members)), None)
        if self.shared is not None:
            self.print_once(self.shared)
