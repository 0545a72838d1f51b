"""Two ways from text to nodes: PyYAML's composer and the careful one. They must read alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlctl.errors import InvalidSpecError
from mlctl.spec import nodes
from mlctl.spec.nodes import MAP, SCALAR, Node, compose, compose_carefully, place_of

ROOT = Path(__file__).parents[3]
SPECS = sorted([*(ROOT / "tests/specs/valid").rglob("*.yml"), *(ROOT / "examples").rglob("*.yml")])
TEXTS = [
    "a: 1\nb: [x, {c: 'd', e: \"f\"}]\n",
    "a: |\n  text\n\n  more\nb: >-\n  folded\n  text\n",
    "a:\n- - b\n  - c: 1.10\n- d\n",
    "<<: {a: 1}\n1: yes\n2024-01-01: ~\n",
    "? a\n: b\n'': c\n",
    "ä: ö\r\nb:\r\n  - 'ü'\r\n",
    "%YAML 1.1\n---\na: 0x1F\n...\n",
]


def plain(node: Node) -> object:
    """A node with its place, tag and style, as data."""
    head = (place_of(node), node.tag)
    if type(node) is SCALAR:
        return (*head, node.value, node.style or "")
    if type(node) is MAP:
        return (*head, [(plain(key), plain(value)) for key, value in node.value])
    return (*head, [plain(item) for item in node.value])


@pytest.fixture
def only_pyyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    """The careful composer is out of reach."""

    def refuse(text: str, source: str) -> None:
        raise AssertionError(f"{source} is not composed by PyYAML: {text}")

    monkeypatch.setattr(nodes, "compose_carefully", refuse)


@pytest.mark.usefixtures("only_pyyaml")
@pytest.mark.parametrize("text", TEXTS)
def test_both_composers_make_the_same_nodes(text: str) -> None:
    assert plain(compose(text, "f").root) == plain(compose_carefully(text, "f").root)


def test_both_composers_make_the_same_nodes_of_all_specs() -> None:
    for path in SPECS:
        text = path.read_text(encoding="utf-8")
        assert plain(compose(text, "f").root) == plain(compose_carefully(text, "f").root), path


@pytest.mark.parametrize(
    "text",
    [
        "a: &x 1\nb: *x\n",
        "a: !!str 1\n",
        "a: " + "[" * 1000 + "]" * 1000 + "\n",
        "a:\n  " + "- " * 600 + "b\n",
        "a: b\n" * 20_000,
    ],
)
def test_what_may_be_deep_or_has_anchors_or_tags_is_composed_carefully(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(nodes, "compose_carefully", lambda _, source: asked.append(source))
    compose(text, "f")
    assert asked == ["f"]


@pytest.mark.parametrize("text", ["", "- a\n", "a: 1\n---\nb: 2\n", "a: [\n", "a: *b\n"])
def test_what_is_wrong_is_told_by_the_careful_composer(text: str) -> None:
    with pytest.raises(InvalidSpecError) as quickly:
        compose(text, "f")
    with pytest.raises(InvalidSpecError) as carefully:
        compose_carefully(text, "f")
    assert quickly.value.problems == carefully.value.problems
