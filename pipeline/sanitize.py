"""Text of unknown origin made safe to print: control characters and marks of direction are written as escapes."""

import re

# Control characters except tab and line feed; marks and overrides of writing direction; line and paragraph separators;
# halves of surrogate pairs, which cannot be encoded.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_BREAKS = {"\n": r"\n", "\t": r"\t"}

# Colours, carriage returns and backspaces of a trial's output are kept: progress bars consist of them.
_HARMLESS = re.compile(r"(\x1b\[[0-9;]*m|[\r\x08])")


def sanitize(text: str) -> str:
    r"""Write each invisible character that has an effect as an escape, such as `\x1b` or `\u202e`.

    Names, values and errors come from configs, data and files of others: control sequences in them could change a
    terminal or the meaning of a page.

    Args:
        text: Any text; line feeds and tabs stay.

    Returns:
        The text without control sequences; plain text is unchanged.
    """
    return _INVISIBLE.sub(_escaped, text)


def sanitize_line(text: str) -> str:
    r"""Sanitize text for one line or a table's cell: line feeds and tabs become `\n` and `\t`, too.

    Args:
        text: Any text.

    Returns:
        The text as one line.
    """
    for character, spelled in _BREAKS.items():
        text = text.replace(character, spelled)
    return sanitize(text)


def sanitize_output(text: str) -> str:
    """Sanitize what a trial printed: colours and progress bars stay."""
    return "".join(part if place % 2 else sanitize(part) for place, part in enumerate(_HARMLESS.split(text)))


def escaped_json(text: str) -> str:
    """Write the invisible characters of a JSON document as escapes of JSON; its value stays the same."""
    return _INVISIBLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
