"""Numbers, durations and suggestions as text, text of unknown origin made safe to print, and notes to the user."""

import difflib
import math
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from itertools import takewhile

DrawOrder = tuple[int, str, str]

# Control characters except tab and line feed; marks and overrides of writing direction; line and paragraph separators;
# halves of surrogate pairs, which cannot be encoded.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

COLOURS = re.compile(r"\x1b\[[0-9;]*m")

# Colours, carriage returns and backspaces of a trial's output are kept: progress bars consist of them.
_HARMLESS = re.compile(rf"({COLOURS.pattern}|[\r\x08])")

_NUMBER = re.compile(r"\d+(\.\d+)?(e[-+]?\d+)?")

_NOISE = re.compile(COLOURS.pattern + r"|\{\{function_node [^}]*\}\} ?| ?\[Op:\w+\]( name:.*)?$")
"""Colours, and where TensorFlow says which operation an error comes from, before and after its sentence."""

_ANNOUNCES = re.compile(r":$|Exception encountered when calling .*\)\.$")

_PLACES = ("File ", "Detected at", "Stack trace", "<stack traces", "[[{{", "During handling", "Arguments received")
"""Beginnings of lines that say where in TensorFlow's graph an error is, and not what it is."""

_PART = r"""[^/?&\s<>"']*"""
_KEYS = re.compile(rf"(?<=://){_PART}:{_PART}@|(?<=[?&;])(?:client_secret|sig)=[^&\s<>]*")
"""Keys in a URI, also in HTML: KEY:SECRET@bucket of S3; container:KEY@account, client_secret=…, and sig=… of Azure."""

_receivers: list[tuple[Callable[[str], None], set[str]]] = [(print, set())]
"""Who takes the sentences, the newest last, and what was sent to it."""


def sanitize(text: str) -> str:
    r"""Write each invisible character that has an effect as an escape, such as `\x1b` or `\u202e`.

    Names, values and errors come from configs, data and files of others: control sequences in them could change a
    terminal or the meaning of a page. Line feeds and tabs stay.
    """
    return _INVISIBLE.sub(_escaped, text)


def sanitize_line(text: str) -> str:
    r"""Sanitize text for one line or a table's cell: line feeds and tabs become `\n` and `\t`, too."""
    return sanitize(text.replace("\n", r"\n").replace("\t", r"\t"))


def sanitize_output(text: str) -> str:
    """Sanitize what a trial printed: colours and progress bars stay."""
    return "".join(part if place % 2 else sanitize(part) for place, part in enumerate(_HARMLESS.split(text)))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def is_text(text: str) -> bool:
    """Whether text can be written as UTF-8: a name of a file may have other bytes."""
    return text == text.encode(errors="replace").decode()


def first_line(text: str) -> str:
    """The message of an error in one line; empty for an empty text.

    It is the first line, with the next one that says something where it only announces it, as in Keras and TensorFlow;
    of a bare traceback it is the last line.
    """
    lines = [line for each in text.splitlines() if (line := _NOISE.sub("", each.strip()).strip())]
    if not lines or lines[0].startswith("Traceback"):
        return lines[-1] if lines else ""
    found = lines[0]
    for line in takewhile(lambda line: not line.startswith("Traceback"), lines[1:]):
        if not _ANNOUNCES.search(found):
            break
        if not line.startswith(_PLACES):
            # What TensorFlow lists after its sentence may be long.
            sentence, values, _ = line.partition(".  ")
            found += f" {sentence}{'.' if values else ''}"
    return found


def draw_order(trial_id: str) -> DrawOrder:
    """A sort key that puts trials in the order in which they were drawn: 9999 before 10000."""
    # Compared as text of equal length, numbers of any size keep their order.
    number = trial_id.lstrip("0")
    return len(number), number, trial_id


def format_number(value: float) -> str:
    """A number with four significant digits, but all digits before the decimal point up to 1e7."""
    if not math.isfinite(value):
        return str(value)
    if abs(value) < sys.float_info.min:
        # The value next to an upper bound of 0, which a config does not reach.
        return "0"
    return f"{value:.0f}" if 9999.5 <= abs(value) < 9999999.5 else f"{value:.4g}"


def without_keys(uri: str) -> str:
    """A URI, or a text with some, as others may see it."""
    return _KEYS.sub("…", uri)


def size(count: float) -> str:
    """A number of bytes in words."""
    for unit, name in ((1e3, "bytes"), (1e6, "kB"), (1e9, "MB"), (1e12, "GB")):
        if count < 0.9995 * unit:
            return f"{count:.0f} bytes" if name == "bytes" else f"{count / unit * 1e3:.3g} {name}"
    return f"{count / 1e12:,.4g} TB"


def duration(seconds: float) -> str:
    """A span of time in at most two units: 70 ms, 3.2 s, 4 min 5 s, 2 h 3 min."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 0.95:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def clock(seconds: float) -> str:
    """A span of time as a display that ticks shows it: 0:05, 4:05, 2:03:00."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def counted(number: float, one: str) -> str:
    """A number with its noun: 1 trial, 2 trials."""
    shown = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{shown} {one}{'' if number == 1 else 's'}"


def listed(items: Iterable[str], conjunction: str = "and") -> str:
    """Items in a row: a, b and c."""
    *first, last = list(items) or [""]
    return f"{', '.join(first)} {conjunction} {last}" if first else last


def percent(share: float) -> str:
    """A share as a whole percentage, with the minus sign of all numbers in prose: 12%, −3%."""
    return f"{round(share, 2) + 0.0:.0%}".replace("-", "−")


def hide_numbers(text: str) -> str:
    """A text in which # stands for each number, so that texts that differ only in numbers are equal."""
    return _NUMBER.sub("#", text)


def closest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known word that a mistyped one is most similar to, in capitals or not; None if none is similar."""
    small = {each.lower(): each for each in reversed(list(known))}
    return next((small[each] for each in difflib.get_close_matches(word.lower(), small, n=1, cutoff=cutoff)), None)


def did_you_mean(word: str, known: Collection[str], *, quoted: bool = False) -> str:
    """A sentence that suggests the closest known word, with a space before it; empty if none is similar."""
    near = closest(word, known)
    if near is None:
        return ""
    return f" Did you mean {near!r}?" if quoted else f" Did you mean {near}?"


def note(text: str, *, subject: str = "") -> None:
    """Send a sentence to the user, unless it, or another one about the same subject, was sent before."""
    send, sent = _receivers[-1]
    if (key := subject or text) not in sent:
        sent.add(key)
        send(text)


@contextmanager
def notes_to(send: Callable[[str], None], *, again: bool = True) -> Iterator[None]:
    """Send the sentences to a function while the context is open; `again`: also those that were sent before.

    What the function prints goes to the present standard output, even where that goes to a log meanwhile.
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
