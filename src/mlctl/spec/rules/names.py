"""Names that Azure takes. Where the schema has the pattern, this says nothing more."""

from __future__ import annotations

import re
from typing import NamedTuple

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.problems import with_article
from mlctl.spec.rules.parts import is_placeholder, text


class NameRule(NamedTuple):
    """What a name looks like. `words` says it to a person."""

    of: str
    pattern: str
    words: str

    def takes(self, name: str) -> bool:
        """Whether a name is as the rule wants it."""
        return re.fullmatch(self.pattern, name) is not None


ENDPOINT = NameRule(
    "endpoint",
    r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]",
    "3 to 32 letters, digits and dashes, a letter first and no dash last",
)
DEPLOYMENT = ENDPOINT._replace(of="deployment")
BATCH_DEPLOYMENT = NameRule(
    "deployment",
    r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?",
    "letters, digits, dashes and underscores, a letter or a digit first and last",
)
WORKSPACE = NameRule(
    "workspace",
    r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}",
    "3 to 33 letters, digits, dashes and underscores, a letter or a digit first",
)
REGISTRY = WORKSPACE._replace(of="registry")
COMPUTE = NameRule(
    "compute",
    r"[A-Za-z][A-Za-z0-9-]{0,30}[A-Za-z0-9]",
    "2 to 32 letters, digits and dashes, a letter first and no dash last",
)
DATASTORE = NameRule("datastore", r"[A-Za-z0-9_]{1,255}", "letters, digits and underscores")
ASSET = NameRule(
    "asset",
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}",
    "1 to 255 letters, digits, dots, dashes and underscores, a letter or a digit first",
)
SCHEDULE = NameRule(
    "schedule",
    r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}",
    "letters, digits, dashes, dots and underscores",
)
CONNECTION = SCHEDULE._replace(of="connection")
SERVERLESS = NameRule(
    "serverless endpoint",
    r"[A-Za-z0-9][A-Za-z0-9-]{0,51}",
    "up to 52 letters, digits and dashes, a letter or a digit first",
)


def check_name(spec: SpecCheck, path: KeyPath, rule: NameRule, *, filled_in: bool = False) -> None:
    """A name is what Azure takes. A `<placeholder>` is a warning, or an error where az itself wants it `filled_in`."""
    name = text(spec, *path)
    if name is None or rule.takes(name) or "${{" in name:
        return
    if is_placeholder(name):
        message = f"'{dotted(path)}' is still to be filled in: '{name}'"
        tell = spec.error if filled_in else spec.warn
        tell("placeholder", path, message, value=name, hint=f"write the name of the {rule.of}")
        return
    message = f"'{dotted(path)}': '{name}' cannot be the name of {with_article(rule.of)}"
    hint = f"use {rule.words}"
    proposed = proposal(name, rule)
    if proposed:
        hint = f"{hint}, such as '{proposed}'"
    spec.error("invalid_name", path, message, value=name, expected=rule.words, hint=hint)


def proposal(name: str, rule: NameRule) -> str | None:
    """A name close to the one at hand that the rule takes; None when there is none, or for an address."""
    if "://" in name:
        return None  # it may hold a password, which would be told
    for joint in "-_":
        tried = re.sub(r"[^A-Za-z0-9]+", joint, name).strip("-_")
        if rule.takes(tried):
            return tried
    return None
