"""The naive twin of `tsprune.logs.kernels.word_scan`: one regular expression a rule, on text instead of bytes."""

from __future__ import annotations

import re

_SPLIT = re.compile("[\\x00-\\x20\\x7f=:,;()\\[\\]{}\"'<>|]+")
_MARKS = re.compile(r"([!#$%&*+\-./?@\\^_`~])\1+")
_PART = re.compile(r"[A-Za-z0-9\u0080-\U0010ffff]+")


def _part(part: str) -> str:
    """A run of letters and digits: \\x00 for a whole number, else its digits as ``#``."""
    hexadecimal = re.fullmatch(r"[0-9A-Fa-f]+", part) is not None and re.search(r"\d", part) is not None
    if re.fullmatch(r"[0-9]+", part) or re.fullmatch(r"0[xX][0-9A-Fa-f]+", part) or (hexadecimal and len(part) >= 6):
        return "\x00"
    return re.sub(r"[0-9]+", "#", part)


def masked_words(line: str) -> list[str]:
    """The masked words of a line."""
    words = []
    for piece in _SPLIT.split(line):
        for word in _MARKS.sub(" ", piece).split(" "):
            masked = _whole_numbers(_PART.sub(lambda found: _part(found[0]), word.lstrip(".")))
            masked = masked.rstrip(".")
            if masked:
                words.append(masked)
    return words


def _whole_numbers(word: str) -> str:
    """Whole numbers as ``#``: joined to a number before them, their sign left out where no letter stands before it."""
    made = ""
    for character in word:
        if character != "\x00":
            made += character
            continue
        if len(made) > 1 and made[-1] in ".,-+" and made[-2] == "#":
            made = made[:-1]
            continue
        if made and made[-1] in "-+" and not (len(made) > 1 and (made[-2].isalnum() or ord(made[-2]) > 127)):
            made = made[:-1]
        made += "#"
    return made
