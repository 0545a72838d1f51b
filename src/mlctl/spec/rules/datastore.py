"""Datastores: their name, and one way to sign in."""

from __future__ import annotations

from mlctl.spec.check import SpecCheck
from mlctl.spec.rules.names import DATASTORE, check_name


def check_datastore(spec: SpecCheck) -> None:
    """A datastore of any kind."""
    check_name(spec, ("name",), DATASTORE)
