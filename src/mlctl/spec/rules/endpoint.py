"""Endpoints: how the traffic is shared, who may call, and the identity."""

from __future__ import annotations

from mlctl.spec.check import SpecCheck
from mlctl.spec.rules.identity import check_identity
from mlctl.spec.rules.misplaced import check_misplaced
from mlctl.spec.rules.names import ENDPOINT, check_name
from mlctl.spec.rules.parts import Range, check_range, part, text

MOST_MIRRORED = 50
"""Percent of the requests that can be copied to a deployment under test."""


def check_endpoint(spec: SpecCheck) -> None:
    """An online endpoint."""
    check_name(spec, ("name",), ENDPOINT, filled_in=True)
    check_identity(spec)
    _check_traffic(spec)
    _check_mirror(spec)
    check_misplaced(spec)


def check_batch_endpoint(spec: SpecCheck) -> None:
    """A batch endpoint."""
    check_name(spec, ("name",), ENDPOINT, filled_in=True)
    check_identity(spec)
    _check_batch_auth(spec)
    check_misplaced(spec)


def _check_traffic(spec: SpecCheck) -> None:
    """Percent by deployment: each from 0 to 100, 0 or 100 in all."""
    shares = _shares(spec, "traffic", most=100)
    total = sum(shares.values())
    if not shares or total in (0, 100) or not _are_percents(shares, most=100):
        return
    listed = " + ".join(str(share) for share in shares.values())
    message = f"'traffic' adds up to {listed} = {total}" if len(shares) > 1 else f"'traffic' adds up to {total}"
    hint = "the shares of all deployments make 100 (or 0, when none is to get requests yet)"
    spec.error("out_of_range", ("traffic",), message, value=total, hint=hint, on_key=True)


def _check_mirror(spec: SpecCheck) -> None:
    """At most one deployment gets copies, at most half of the requests, and no requests of its own."""
    shares = {name: share for name, share in _shares(spec, "mirror_traffic", most=MOST_MIRRORED).items() if share > 0}
    live = part(spec, "traffic")
    for name, copies in shares.items():
        share = live.get(name, 0) if isinstance(live, dict) else 0
        if isinstance(share, int) and share > 0:
            message = f"'{name}' gets {share} % of the traffic and copies of it too"
            hint = f"mirror the traffic to another deployment, or write 'traffic: {{{name}: 0, …}}'"
            spec.error("conflict", ("mirror_traffic", name), message, value=copies, hint=hint, on_key=True)
    if len(shares) > 1:
        message = f"'mirror_traffic' names {len(shares)} deployments: {', '.join(shares)}"
        second = list(shares)[1]
        spec.error("conflict", ("mirror_traffic", second), message, hint="only one can get copies", on_key=True)


def _shares(spec: SpecCheck, key: str, *, most: int) -> dict[str, int]:
    """Percent by deployment under a key; those out of range are told."""
    shares = part(spec, key)
    if not isinstance(shares, dict):
        return {}
    for name in shares:
        check_range(spec, Range((key, name), 0, most, "percent"))
    return {name: share for name, share in shares.items() if isinstance(share, int)}


def _are_percents(shares: dict[str, int], *, most: int) -> bool:
    return all(0 <= share <= most for share in shares.values())


def _check_batch_auth(spec: SpecCheck) -> None:
    mode = text(spec, "auth_mode")
    if mode not in (None, "aad_token"):
        message = f"'auth_mode' cannot be '{mode}' on a batch endpoint"
        hint = "write 'auth_mode: aad_token', or leave it out"
        spec.error("not_allowed", ("auth_mode",), message, value=mode, expected="aad_token", hint=hint)
