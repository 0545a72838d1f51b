"""Connections: credentials that the kind of connection takes, and that are complete."""

from __future__ import annotations

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import dotted
from mlctl.spec.rules.names import CONNECTION, check_name
from mlctl.spec.rules.parts import has, leave_to_option, raw, require, text

_TAKES: dict[str, tuple[str, ...]] = {
    "git": ("pat", "username_password", "none"),
    "python_feed": ("pat", "username_password", "none"),
    "container_registry": ("managed_identity", "username_password"),
    "azure_data_lake_gen2": ("service_principal", "managed_identity", "aad", "none"),
    "s3": ("access_key",),
}
"""Type of connection -> types of credentials. What is not here takes any."""

_PUBLIC: dict[str, tuple[str, ...]] = {
    "username_password": ("username",),
    "service_principal": ("client_id", "tenant_id"),
    "access_key": ("access_key_id",),
}
_SECRET: dict[str, str] = {
    "pat": "pat",
    "sas": "sas_token",
    "username_password": "password",
    "service_principal": "client_secret",
    "access_key": "secret_access_key",
    "api_key": "key",
    "account_key": "account_key",
}
"""Type of credentials -> its secret, which is better given on the command line than kept in the file."""

_TARGETS = ("target", "endpoint", "azure_endpoint", "url", "api_base")


def check_connection(spec: SpecCheck) -> None:
    """A connection of any kind."""
    check_name(spec, ("name",), CONNECTION)
    if spec.kind.name == "genericConnection" and not any(has(spec, key) for key in _TARGETS):
        require(spec, ("target",), hint="add 'target: …', the address of what is connected")
    _check_combination(spec)
    _check_complete(spec)


def _check_combination(spec: SpecCheck) -> None:
    kind = text(spec, "type")
    takes = _TAKES.get(kind or "")
    if takes is None:
        return
    listed = ", ".join(takes)
    if not has(spec, "credentials"):
        if "none" not in takes:
            message = f"'credentials' is missing: a {kind} connection does not work without"
            require(spec, ("credentials",), hint=f"add 'credentials:' with 'type:' one of {listed}", message=message)
        return
    given = text(spec, "credentials", "type")
    if given is not None and given not in takes:
        message = f"'credentials.type' cannot be '{given}' for a {kind} connection"
        hint = f"use one of: {listed}"
        expected = f"one of: {listed}"
        spec.error("not_allowed", ("credentials", "type"), message, value=given, expected=expected, hint=hint)


def _check_complete(spec: SpecCheck) -> None:
    kind = text(spec, "credentials", "type")
    if kind is None or not isinstance(raw(spec, "credentials"), dict):
        return
    for key in _PUBLIC.get(kind, ()):
        require(spec, ("credentials", key), hint=f"add '{key}: …'")
    secret = _SECRET.get(kind)
    if secret is not None:
        path = ("credentials", secret)
        leave_to_option(spec, path, option=f"--set {dotted(path)}=…, which keeps it out of the file")
