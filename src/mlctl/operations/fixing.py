"""Spec files are fixed: first as a plan with its diff, then in the files, each of them whole or not at all.

    plan = plan_fixes(problems, recheck=…)    # reads files, writes nothing
    plan.diff, plan.remaining                 # for the user's eyes
    write_fixes(plan.files)

`mlctl.spec.fixes` knows what can be fixed in a text. Here is the rest: rounds, until nothing more can be fixed; the
file's own encoding; files that several specs name, each fixed once; and writing.
"""

from __future__ import annotations

import codecs
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mlctl.errors import AuthError, ConflictError, MlctlError, UnavailableError
from mlctl.files import replace_file
from mlctl.spec.document import Document
from mlctl.spec.fixes import Fix, apply, is_curable, propose
from mlctl.spec.kinds import Kind
from mlctl.spec.problems import ERROR, Problem, line_of
from mlctl.spec.reader import read_text

MOST_ROUNDS = 10
"""A key that gets its right name shows what is wrong below it; deeper than this nobody is fixed in one go."""

Recheck = Callable[[Mapping[Path, Document]], Sequence[Problem]]
"""Checks everything anew with these documents in place of the files at their absolute paths; gives all problems."""

_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"", "utf-8"),
)
_Attempt = tuple[Path, str, str]
"""A fix that was tried: file, code and path of the problem."""

_INDENT = re.compile(r"^[ \t]+(?=[^ \t\r\n])", re.MULTILINE)
_BLOCK = re.compile(r"[|>][-+0-9]*[ \t]*(#.*)?$")
_KEY = re.compile(r":( |$)")
_KEEPS_MEANING = frozenset({"yaml_date", "yaml_key", "yaml"})


@dataclass(frozen=True, slots=True)
class FixedFile:
    """One file with its fixes. `source`: its name for the user. `path`: what is written, the target of a link.

    `old` and `new` are the bytes of the file, `diff` is what changes, as `patch -p1` takes it.
    """

    source: str
    path: Path
    fixes: tuple[Fix, ...]
    old: bytes
    new: bytes
    diff: str


@dataclass(frozen=True, slots=True)
class FixPlan:
    """What would be written, and the problems that would remain. No files when nothing can be fixed."""

    files: tuple[FixedFile, ...]
    remaining: tuple[Problem, ...]

    @property
    def diff(self) -> str:
        """The diffs of all files."""
        return "".join(file.diff for file in self.files)


def plan_fixes(
    problems: Sequence[Problem], *, recheck: Recheck | None = None, kinds: Mapping[str, Kind] | None = None
) -> FixPlan:
    """Fix what can be fixed mechanically, in memory. Reads the files that the problems name by their `source`.

    With `recheck` each round is checked: a fix after which its place is as wrong as before is taken back, and what
    comes to light below a fixed key is fixed too. Without it there is one round. `kinds`: by source, for files that
    were checked as something else than what they look like. Sources that are no files (standard input) are passed over.
    """
    drafts: dict[Path, _Draft] = {}
    refused: set[_Attempt] = set()
    remaining = list(problems)
    for _ in range(MOST_ROUNDS if recheck else 1):
        about = _by_draft(remaining, drafts)
        tries = {path: drafts[path].propose(found, kinds or {}, refused) for path, found in about.items()}
        texts = {path: apply(drafts[path].text, fixes) for path, fixes in tries.items() if fixes}
        if not texts:
            break
        if recheck:
            after = list(recheck(_overlay(drafts, texts)))
            vain = {
                (path, fix.code, fix.path)
                for path in texts
                for fix in _in_vain(tries[path], about[path], drafts[path].own(after))
            }
            refused |= vain
            if vain:
                continue
            remaining = after
        else:
            remaining = [found for found in remaining if not _is_cured(found, drafts, tries)]
        for path, text in texts.items():
            drafts[path].take(tries[path], text)
    return FixPlan(tuple(draft.finish() for draft in drafts.values() if draft.fixes), tuple(remaining))


def write_fixes(files: Sequence[FixedFile]) -> None:
    """Write the files of a plan. Each is replaced in one step, with its mode kept; links stay links.

    Raises ConflictError when a file is no longer what was checked, AuthError or UnavailableError when one cannot be
    written. All are looked at before the first is written; `details["written"]` names those that were, if any.
    """
    for file in files:
        _refuse_if_changed(file)
    written: list[str] = []
    for file in files:
        try:
            replace_file(file.path, file.new, like=file.path.stat(), ready=partial(_refuse_if_changed, file))
        except OSError as error:
            raise _told(error, file, written) from error
        except MlctlError as error:
            error.details["written"] = written
            raise
        written.append(file.source)


@dataclass(slots=True)
class _Draft:
    """A file on its way. `sources`: what problems call it, the first is its name. `text`: with the fixes so far."""

    path: Path
    old: bytes
    bom: bytes
    encoding: str
    text: str
    sources: list[str] = field(default_factory=list)
    fixes: list[Fix] = field(default_factory=list)

    def own(self, problems: Sequence[Problem]) -> list[Problem]:
        """The problems of this file, all under its first name."""
        return [found._replace(source=self.sources[0]) for found in problems if found.source in self.sources]

    def document(self, text: str, source: str) -> Document:
        document = read_text(text, source=source)
        document.folder = os.path.dirname(os.path.abspath(source))  # noqa: PTH100, PTH120 - links stay as they are
        return document

    def propose(self, problems: Sequence[Problem], kinds: Mapping[str, Kind], refused: set[_Attempt]) -> list[Fix]:
        """Fixes of those problems that are about the text as it is now, without those that were refused."""
        now = [found for found in problems if found.excerpt in (None, line_of(self.text, found.line))]
        try:
            document = self.document(self.text, self.sources[0])
        except MlctlError:
            return untab(self.text) if any(found.code == "yaml" for found in now) else []
        kind = next((kinds[source] for source in self.sources if source in kinds), None)
        return [fix for fix in propose(document, now, kind) if (self.path, fix.code, fix.path) not in refused]

    def take(self, fixes: Sequence[Fix], text: str) -> None:
        self.fixes += fixes
        self.text = text

    def finish(self) -> FixedFile:
        new = self.bom + self.text.encode(self.encoding)
        before = self.old[len(self.bom) :].decode(self.encoding)
        diff = unified_diff(before, self.text, self.sources[0])
        return FixedFile(self.sources[0], self.path, tuple(self.fixes), self.old, new, diff)


def unified_diff(old: str, new: str, source: str) -> str:
    """The change of a text as `patch -p1` and `git apply` take it; empty when nothing changed."""
    import difflib

    name = source.replace(os.sep, "/").lstrip("/")
    # lines end at \n only, as they do for patch: str.splitlines would also split at form feeds
    before, after = (re.findall(r"[^\n]*\n|[^\n]+", text) for text in (old, new))
    found = difflib.unified_diff(before, after, fromfile=f"a/{name}", tofile=f"b/{name}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in found)


def untab(text: str) -> list[Fix]:
    """Fixes of a text that YAML refuses because it is indented with tabs: two spaces for each of them.

    Only where the depth is beyond doubt: indented lines have tabs alone, each is a key or an item and at most one tab
    deeper than the line that it belongs to, and there is no block text, in which a tab may be meant. Empty when the
    result could not be read either.
    """
    indents = list(_INDENT.finditer(text))
    if not _is_clear(text):
        return []
    what = "indent with spaces, not with tabs"
    lines = [text.count("\n", 0, found.start()) + 1 for found in indents]
    fixes = [
        Fix(found.start(), found.end(), found[0], "  " * len(found[0]), what, "yaml", "", line, 1)
        for found, line in zip(indents, lines, strict=True)
    ]
    try:
        read_text(apply(text, fixes), source="")
    except MlctlError:
        return []
    return fixes


def _is_clear(text: str) -> bool:
    depth, opens = 0, False
    for line in text.splitlines():
        content = line.strip()
        if not content or content.startswith("#"):
            continue
        indent = line[: line.index(content[0])]
        is_item = content.startswith("- ")
        if " " in indent or _BLOCK.search(content) or len(indent) > depth + opens:
            return False
        if indent and not (is_item or _KEY.search(content)):
            return False
        depth, opens = len(indent), is_item or content.endswith(":")
    return True


def _by_draft(problems: Sequence[Problem], drafts: dict[Path, _Draft]) -> dict[Path, list[Problem]]:
    """The problems of each file that may be fixed; files that were not seen before are read."""
    known = {source: path for path, draft in drafts.items() for source in draft.sources}
    for problem in problems:
        if problem.line and problem.source not in known and (is_curable(problem) or problem.code == "yaml"):
            path = Path(os.path.realpath(problem.source))
            if path not in drafts:
                draft = _open(path)
                if draft is None:
                    continue
                drafts[path] = draft
            drafts[path].sources.append(problem.source)
            known[problem.source] = path
    return {path: draft.own(problems) for path, draft in drafts.items()}


def _open(path: Path) -> _Draft | None:
    """None for what is no file, cannot be read, or would not be written again as it is."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        content = path.read_bytes()
        bom, encoding = next((bom, name) for bom, name in _ENCODINGS if content.startswith(bom))
        text = content[len(bom) :].decode(encoding)
    except (OSError, ValueError):
        return None
    draft = _Draft(path, content, bom, encoding, text)
    return draft if bom + text.encode(encoding) == content else None


def _overlay(drafts: Mapping[Path, _Draft], texts: Mapping[Path, str]) -> dict[Path, Document]:
    """Each changed file as a document, at every place that leads to it."""
    return {
        Path(os.path.abspath(source)): draft.document(texts.get(path, draft.text), source)  # noqa: PTH100
        for path, draft in drafts.items()
        if path in texts or draft.fixes
        for source in draft.sources
    }


def _in_vain(fixes: Sequence[Fix], before: Sequence[Problem], after: Sequence[Problem]) -> list[Fix]:
    """Fixes of values after which there are as many errors at the place as before."""
    were, are = (Counter(found.path for found in problems if found.severity == ERROR) for problems in (before, after))
    values = [fix for fix in fixes if not fix.on_key and fix.code not in _KEEPS_MEANING]
    return [fix for fix in values if are[fix.path] and are[fix.path] >= were[fix.path]]


def _is_cured(problem: Problem, drafts: Mapping[Path, _Draft], tries: Mapping[Path, Sequence[Fix]]) -> bool:
    return any(
        problem.source in drafts[path].sources and (problem.code, problem.path) == (fix.code, fix.path)
        for path, fixes in tries.items()
        for fix in fixes
    )


def _refuse_if_changed(file: FixedFile) -> None:
    try:
        content = file.path.read_bytes()
    except OSError:
        content = None
    if content != file.old:
        what = "is gone or cannot be read" if content is None else "has changed"
        raise ConflictError(f"{file.source} {what} since it was checked", hint="run the command again")
    if not os.access(file.path, os.W_OK):
        raise AuthError(f"{file.source} is read-only", hint="make the file writable, or change it by hand")


def _told(error: OSError, file: FixedFile, written: Sequence[str]) -> MlctlError:
    details = {"written": list(written)}
    reason = error.strerror or str(error)
    if isinstance(error, PermissionError):
        hint = "the folder of the file must be writable too"
        return AuthError(f"{file.source} cannot be written: {reason}", hint=hint, details=details)
    return UnavailableError(f"{file.source} cannot be written: {reason}", hint="it is as it was", details=details)
