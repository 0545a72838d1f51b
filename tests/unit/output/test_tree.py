"""A tree on a terminal."""

from __future__ import annotations

from mlctl.output.tree import Branch, render_tree

TREE = Branch(
    "model m:1", "custom_model", [Branch("job a", "", [Branch("code c0de")]), Branch("git\x1b[31m a\nb", "x\x07y")]
)


def test_lines_guides_and_notes() -> None:
    assert render_tree(TREE, width=80) == (
        "model m:1  custom_model\n├── job a\n│   └── code c0de\n└── git [31m a b  x y\n"
    )


def test_a_narrow_encoding_gets_guides_it_knows() -> None:
    assert render_tree(TREE, width=80, ascii_only=True).splitlines()[1:3] == ["+-- job a", "|   `-- code c0de"]


def test_colour_is_only_there_when_wanted() -> None:
    assert "\x1b" not in render_tree(TREE, width=80)
    assert "\x1b[1mjob a" in render_tree(TREE, width=80, colour=True)


def test_long_lines_are_folded_and_nothing_is_lost() -> None:
    told = render_tree(Branch("a", branches=[Branch("word " * 30)]), width=40)
    assert told.count("word") == 30
    assert max(map(len, told.splitlines())) <= 40
