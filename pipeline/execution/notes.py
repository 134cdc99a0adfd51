"""The one channel for sentences to the user while a study is prepared and runs; each is sent once."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout


class _Channel:
    def __init__(self) -> None:
        self.send: Callable[[str], None] = print
        self.sent: set[str] = set()


_channel = _Channel()


def note(text: str) -> None:
    """Send a sentence to the user, unless it was sent before."""
    if text not in _channel.sent:
        _channel.sent.add(text)
        _channel.send(text)


@contextmanager
def notes_to(send: Callable[[str], None], *, again: bool = True) -> Iterator[None]:
    """Send the sentences to a function while the context is open.

    Args:
        send: Takes each sentence; what it prints goes to the present standard output, even where that goes to a log
            meanwhile, as while Ray runs.
        again: Whether sentences that were sent before the context count as new.
    """
    before, sent, stdout = _channel.send, _channel.sent, sys.stdout

    def sent_to(text: str) -> None:
        with redirect_stdout(stdout):
            send(text)

    _channel.send = sent_to
    _channel.sent = set() if again else sent
    try:
        yield
    finally:
        _channel.send, _channel.sent = before, sent
