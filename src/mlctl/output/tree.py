"""A tree for people on a terminal, drawn by rich."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text


@dataclass(frozen=True, slots=True)
class Branch:
    """A line of a tree and what hangs below it. `label` is what catches the eye, `note` what is said beside it."""

    label: str
    note: str = ""
    branches: Sequence[Branch] = ()


def render_tree(root: Branch, *, width: int, colour: bool = False, ascii_only: bool = False) -> str:
    """The tree as text with a line break at its end. `width` in characters; longer lines are folded."""
    import io

    from rich.console import Console
    from rich.tree import Tree

    def hang(branch: Branch, below: Tree) -> None:
        for inner in branch.branches:
            hang(inner, below.add(_line(inner)))

    tree = Tree(_line(root))
    hang(root, tree)
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        no_color=not colour,
        legacy_windows=False,
        highlight=False,
    )
    with console.capture() as capture:
        console.print(tree)
    text = "".join(line.rstrip() + "\n" for line in capture.get().splitlines())
    return text.translate(_PLAIN_GUIDES) if ascii_only else text


_PLAIN_GUIDES = str.maketrans("├│└─", "+|`-")


def _line(branch: Branch) -> Text:
    from rich.text import Text

    text = Text(_printable(branch.label), style="bold")
    if branch.note:
        text.append(f"  {_printable(branch.note)}", style="not bold dim")
    return text


def _printable(text: str) -> str:
    """Control characters would talk to the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)
