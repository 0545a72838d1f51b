"""The output formats of az: json, jsonc, yaml, yamlc, table, tsv, none. Plain data in, text out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlctl.output.table import render_table
from mlctl.output.views import VIEWS


@dataclass(frozen=True, slots=True)
class Look:
    """How and for whom a result is drawn.

    `view` names the table's columns in `views.py`. `queried`: a query chose and ordered the values. `colour` and
    `terminal_width` (characters; None for no terminal) describe stdout; `ascii_only` that it cannot take more.
    """

    view: str | None = None
    queried: bool = False
    colour: bool = False
    terminal_width: int | None = None
    ascii_only: bool = False


def render(value: Any, output_format: str, look: Look) -> str:
    """`value`, plain data other than None, as text that ends with a line break; empty for the format none.

    Raises UsageError for a table with nothing to show, KeyError for an unknown format.
    """
    return _FORMATS[output_format](value, look)


def to_yaml(value: Any, *, ascii_only: bool = False) -> str:
    """Plain data as block-style YAML with sorted keys, ending with a line break."""
    import yaml

    # the C writer is several times faster; a build without libyaml lacks it
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(
        value, Dumper=dumper, default_flow_style=False, allow_unicode=not ascii_only, sort_keys=True, width=4096
    )
    return text.removesuffix("...\n")


def to_spec(value: Any) -> str:
    """Plain data as YAML that people go on writing: keys in their order, text of several lines as a block."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Without anchors: the same thing twice is written twice."""

        def ignore_aliases(self, data: Any) -> bool:
            del data
            return True

    def write_text(dumper: Any, text: str) -> Any:
        is_plain = text.replace("\n", "").isprintable() and not _LOOKS_LIKE_A_NUMBER.match(text)
        style = '"' if not is_plain else "|" if "\n" in text.strip("\n") else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, write_text)
    text: str = yaml.dump(
        value, Dumper=Dumper, default_flow_style=False, allow_unicode=True, sort_keys=False, width=4096
    )
    return text


_LOOKS_LIKE_A_NUMBER = re.compile(r"[-+]?\.?\d")
"""Readers of YAML do not agree on which texts are numbers; in quotes all take them as text."""


def _json(value: Any, look: Look) -> str:
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=look.ascii_only)
    return _escape_surrogates(text) + "\n"


def _jsonc(value: Any, look: Look) -> str:
    text = _json(value, look)
    return _JSON_TOKEN.sub(_paint_json, text) if look.colour else text


def _yaml(value: Any, look: Look) -> str:
    return to_yaml(value, ascii_only=look.ascii_only)


def _yamlc(value: Any, look: Look) -> str:
    text = _yaml(value, look)
    return _YAML_KEY.sub(lambda match: f"{match[1]}{_BLUE}{match[2]}{_RESET}", text) if look.colour else text


def _table(value: Any, look: Look) -> str:
    columns = VIEWS.get(look.view or "")
    return render_table(value, columns=columns, queried=look.queried, terminal_width=look.terminal_width)


def _tsv(value: Any, look: Look) -> str:
    del look  # tab-separated text is for programs: it is the same everywhere
    return "".join(_tsv_line(item) + "\n" for item in (value if isinstance(value, list) else [value]))


def _tsv_line(item: Any) -> str:
    if isinstance(item, dict):
        return "\t".join(_tsv_field(item[key]) for key in sorted(item))
    if isinstance(item, list):
        return "\t".join(_tsv_field(value) for value in item)
    return str(item).lower() if isinstance(item, bool) else _tsv_field(item)


def _tsv_field(value: Any) -> str:
    if isinstance(value, list):
        return str(len(value))
    return "" if isinstance(value, dict) else str(value)


def _none(value: Any, look: Look) -> str:
    del value, look
    return ""


_FORMATS: dict[str, Callable[[Any, Look], str]] = {
    "json": _json,
    "jsonc": _jsonc,
    "none": _none,
    "table": _table,
    "tsv": _tsv,
    "yaml": _yaml,
    "yamlc": _yamlc,
}

_BLUE, _GREEN, _CYAN, _RESET = "\x1b[34m", "\x1b[32m", "\x1b[36m", "\x1b[0m"
_JSON_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*|\btrue\b|\bfalse\b|\bnull\b)')
_YAML_KEY = re.compile(r"^(\s*(?:- )*)([^\s:#'\"-][^:\n]*|'[^'\n]*'|\"[^\"\n]*\")(?=:(?:\s|$))", re.MULTILINE)
_SURROGATE = re.compile("[\ud800-\udfff]")


def _paint_json(match: re.Match[str]) -> str:
    text, colon, word = match.groups()
    if word is not None:
        return f"{_CYAN}{word}{_RESET}"
    if colon is not None:
        return f"{_BLUE}{text}{_RESET}{colon}"
    return f"{_GREEN}{text}{_RESET}"


def _escape_surrogates(text: str) -> str:
    """File names that are no UTF-8 come in as lone surrogates; JSON has an escape for them."""
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
