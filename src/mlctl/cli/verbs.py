"""What the shared verbs have in common over all kinds: asking before something is lost, cutting lists, what changed."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from mlctl.cli.options import Operation
from mlctl.context import Context
from mlctl.errors import MlctlError, UsageError

Item = TypeVar("Item")


class NotConfirmedError(MlctlError):
    """Nobody said yes (exit 1, as az)."""

    code = "not_confirmed"


def confirm(context: Context, *, yes: bool, what: str) -> None:
    """Go on only when the user says so: with `yes`, with core.disable_confirm_prompt, or by an answer on the terminal.

    `what` finishes "This will …". Raises NotConfirmedError.
    """
    if yes or context.settings.flag("core.disable_confirm_prompt"):
        return
    if not (sys.stdin is not None and sys.stdin.isatty() and context.streams.talks_to_terminal()):
        raise NotConfirmedError("Unable to prompt for confirmation as no tty available. Use --yes.")
    context.streams.write_talk(f"This will {what}.\nAre you sure you want to perform this operation? (y/n): ")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise NotConfirmedError("nothing was done")


def standard_input(names: Collection[str] | None) -> bytes | None:
    """What stands on standard input, when `-` is among the names of files; None when it is not.

    A spec that is too large is cut where the reader refuses it.
    """
    from mlctl.operations.spec_files import STDIN
    from mlctl.spec.reader import LARGEST_FILE

    if STDIN not in (names or ()):
        return None
    return sys.stdin.buffer.read(LARGEST_FILE + 1) if sys.stdin is not None else b""


def first(items: Sequence[Item], max_results: int | None) -> Sequence[Item]:
    """At most `max_results` of the items; all with None."""
    return items if max_results is None else items[:max_results]


def changed_fields(
    before: Mapping[str, Any],
    operations: Sequence[Operation] | None,
    *,
    force_string: bool,
    updatable: Collection[str],
    kind: str,
) -> dict[str, Any]:
    """What az's generic update changes in an entity as it is shown: field -> new value.

    Raises UsageError for a path that is not there, and for a field that is not in `updatable`.
    """
    if not operations:
        return {}
    from mlctl.spec.overrides import apply_update

    after = apply_update(before, operations, force_string=force_string)
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    refused = sorted(key for key in changed if key not in updatable)
    if refused:
        raise UsageError(
            f"{kind} update cannot change {', '.join(refused)}", hint=f"it can change {', '.join(sorted(updatable))}"
        )
    fields = {key: after.get(key) for key in changed}
    tags = fields.get("tags")
    if isinstance(tags, dict):
        # az reads `--set tags.x=1` as a number; a tag is text
        fields["tags"] = {key: str(value) for key, value in tags.items()}
    return fields
