"""What run() may give back, and how it becomes lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlctl.serving.batch.worker import load, rows_of


class Frame:
    """As much of a pandas DataFrame as is used; tests need no pandas."""

    columns = ("file", "class")

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def to_csv(self, *, sep: str, header: bool, index: bool) -> str:
        assert not header
        assert not index
        return "".join(sep.join(map(str, row)) + "\n" for row in self._rows)


class Array:
    def tolist(self) -> list[int]:
        return [1, 2]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (["a", "b"], (2, "a\nb\n")),
        (("a", 1, [2]), (3, "a\n1\n[2]\n")),
        ([], (0, "")),
        (Frame([("a.png", 3), ("b.png", 4)]), (2, "a.png 3\nb.png 4\n")),
        (Frame([]), (0, "")),
        (Array(), (2, "1\n2\n")),
    ],
)
def test_results_become_lines(result: Any, expected: tuple[int, str]) -> None:
    assert rows_of(result) == expected


@pytest.mark.parametrize("result", [None, "text", 3, {"a": 1}])
def test_other_results_are_refused(result: Any) -> None:
    with pytest.raises(TypeError, match="must return a list, a tuple or a pandas DataFrame, not"):
        rows_of(result)


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import sys

    monkeypatch.setattr("sys.argv", ["pytest", "-q"])
    monkeypatch.setattr("sys.path", [*sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.usefixtures("clean")
def test_a_script_finds_its_neighbours_and_no_words_of_others(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("value = 7")
    script = tmp_path / "my-score.py"
    script.write_text("import sys\nfrom beside_it import value\nwords = list(sys.argv)\ndef run(files): return files")
    module = load(str(script))
    assert (module.value, module.words) == (7, [str(script)])
