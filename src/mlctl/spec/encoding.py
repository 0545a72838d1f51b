"""Bytes become text, of characters that YAML allows."""

from __future__ import annotations

import codecs
import re
from typing import NoReturn

from mlctl.errors import InvalidSpecError
from mlctl.spec.problems import Problem, summary

# letter for letter the pattern of PyYAML, which takes long to compile: `re` keeps it for both
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decoded(content: bytes, *, source: str) -> str:
    """The text of a file: UTF-8, or UTF-16/32 with a byte order mark. Raises InvalidSpecError."""
    encoding = next((name for bom, name in _BOMS if content.startswith(bom)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, errors="replace")
        line, column = _position(before, len(before))
        message = f"the file is not {encoding.removesuffix('-sig').upper()} text (byte 0x{content[error.start]:02x})"
        hint = "save the file as UTF-8"
        refuse(Problem("not_text", "", message, source=source, line=line, column=column, hint=hint))


def refuse_characters(text: str, *, source: str) -> None:
    """Raise InvalidSpecError for the first character that YAML does not allow."""
    forbidden = _FORBIDDEN.search(text)
    if forbidden:
        line, column = _position(text, forbidden.start())
        message = f"character U+{ord(forbidden.group()):04X} is not allowed in YAML"
        hint = "remove the character; text editors can show invisible ones"
        refuse(Problem("not_text", "", message, source=source, line=line, column=column, hint=hint))


def refuse(problem: Problem) -> NoReturn:
    """Raise InvalidSpecError with the one problem that ends the reading."""
    raise InvalidSpecError(summary([problem], problem.source), problems=[problem])


def _position(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1
