"""The `identity` of endpoints, computes and workspaces: its type, and the identities that go with it."""

from __future__ import annotations

from mlctl.spec.check import SpecCheck
from mlctl.spec.rules.parts import has, part, require, text

KEY = "user_assigned_identities"


def check_identity(spec: SpecCheck) -> None:
    """`user_assigned` lists identities, `system_assigned` and `none` list none."""
    if not isinstance(part(spec, "identity"), dict):
        return
    if not require(spec, ("identity", "type"), hint="write 'type: system_assigned' or 'type: user_assigned'"):
        return
    kind = text(spec, "identity", "type")
    if kind is None:
        return
    listed = part(spec, "identity", KEY)
    if "user_assigned" in kind and not listed:
        message = f"'identity' is {kind} and names no identity"
        hint = f"add '{KEY}:' with '- resource_id: …', or write 'type: system_assigned'"
        spec.error("missing_key", ("identity", KEY), message, hint=hint)
    elif "user_assigned" not in kind and has(spec, "identity", KEY) and listed:
        message = f"'identity' is {kind} and lists identities"
        hint = f"write 'type: user_assigned', or remove '{KEY}'"
        spec.error("conflict", ("identity", KEY), message, hint=hint, on_key=True)
