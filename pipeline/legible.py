"""Text from elsewhere, made fit to be shown: what a terminal obeys, or what reorders a line, is spelled out."""

import re

__all__ = ["legible", "legible_output"]

# Control characters but for tab and line feed; marks and overrides of writing direction; line and paragraph separators;
# halves of surrogate pairs, which cannot be written at all.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

# Of a trial's output a terminal gets colours, carriage returns and backspaces too: progress bars are made of them.
_HARMLESS = re.compile(r"(\x1b\[[0-9;]*m|[\r\x08])")


def legible(text: str) -> str:
    r"""The text with every character that is not seen, but does something, as `\x1b` or `\u202e`.

    Names, values and errors come from configs, data and files of others: a terminal would obey what is in them, and a
    page could be made to show something else than it says.
    """
    return _UNSEEN.sub(_escaped, text)


def legible_output(text: str) -> str:
    """What a trial printed, for a terminal: as `legible`, but colours and progress bars stay."""
    return "".join(part if place % 2 else legible(part) for place, part in enumerate(_HARMLESS.split(text)))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
