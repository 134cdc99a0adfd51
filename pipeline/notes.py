"""The one channel for sentences to the user, on standard output unless a command or a display takes them."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout

_receivers: list[tuple[Callable[[str], None], set[str]]] = [(print, set())]
"""Who takes the sentences, the newest last, and what was sent to it."""


def note(text: str) -> None:
    """Send a sentence to the user, unless it was sent before."""
    send, sent = _receivers[-1]
    if text not in sent:
        sent.add(text)
        send(text)


@contextmanager
def notes_to(send: Callable[[str], None], *, again: bool = True) -> Iterator[None]:
    """Send the sentences to a function while the context is open.

    Args:
        send: Takes each sentence; what it prints goes to the present standard output, even where that goes to a log
            meanwhile, as while Ray runs.
        again: Whether sentences that were sent before the context count as new.
    """
    stdout = sys.stdout

    def sent_to(text: str) -> None:
        with redirect_stdout(stdout):
            send(text)

    _receivers.append((sent_to, set() if again else _receivers[-1][1]))
    try:
        yield
    finally:
        _receivers.pop()
