"""What secrets look like: keys, tokens and connection strings by their form, and names of keys that hold one."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import NamedTuple


class Found(NamedTuple):
    """A secret in a text: what it is, and where (offsets)."""

    what: str
    start: int
    end: int


class _Form(NamedTuple):
    """A form of secret. `mark`: stands in each of them, in whatever case; most texts have none, and patterns cost time
    even before they are used. `secret` is the group that is the secret itself, 0 for the whole match.
    """

    what: str
    mark: str
    pattern: str
    secret: int = 0


# each repetition runs over one class of characters and starts only where that class begins: a long text costs no more
# than its length
_FORMS = (
    _Form(
        "a private key",
        "private key",
        r"-----BEGIN (?:[A-Z]{2,10} ){0,2}PRIVATE KEY(?: BLOCK)?-----"
        r"[^-]{0,65536}(?:-----END [A-Z ]{3,40}-----)?",
    ),
    _Form("a storage account key", "==", r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==(?![A-Za-z0-9+/=])"),
    _Form(
        "the key of a connection string",
        "=",
        r"(?i)\b(?:AccountKey|SharedAccessKey|SharedSecretValue)\s?=\s?([^;\s\"']{8,512})",
        secret=1,
    ),
    _Form(
        "the password of a connection string",
        ";",
        r"(?i);\s?(?:Password|Pwd)\s?=\s?([^;\s\"']{4,512})",
        secret=1,
    ),
    _Form(
        "a secret on the command line",
        "--",
        (
            r"(?i)(?<![\w-])--(?:password|passwd|api[-_]?key|token|secret|client[-_]secret|access[-_]key|account[-_]key)"
            r"(?:=|\s{1,4})[\"']?([A-Za-z0-9][^\s\"'$<{\[]{5,512})"
        ),
        secret=1,
    ),
    _Form("a shared access signature", "sig=", r"(?<![A-Za-z])sig=([A-Za-z0-9%+/=_-]{20,512})", secret=1),
    _Form("a GitHub token", "_", r"(?<![A-Za-z0-9_])(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{22,255})"),
    _Form("a GitLab token", "gl", r"(?<![A-Za-z0-9_-])gl(?:pat|dt|ptt|rt)-[A-Za-z0-9_-]{20,255}"),
    _Form("an AWS access key", "ia", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    _Form("an Azure DevOps token", "", r"\b(?:[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}|[a-z2-7]{52})\b"),
    _Form("an Azure key", "jqqj9", r"\b[A-Za-z0-9]{52}JQQJ9[9D][A-Za-z0-9]{26,60}\b"),
    _Form("a container registry key", "+acr", r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{42}\+ACR[A-Za-z0-9]{6}"),
    _Form("a client secret", "q~", r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}"),
    _Form("an Anthropic key", "sk-ant-", r"(?<![A-Za-z0-9_-])sk-ant-[A-Za-z0-9_-]{20,255}"),
    _Form("an OpenAI key", "sk-", r"(?<![A-Za-z0-9_-])sk-[A-Za-z0-9_-]{20,255}"),
    _Form("a Hugging Face token", "hf_", r"(?<![A-Za-z0-9_])hf_[A-Za-z0-9]{30,255}"),
    _Form("a Slack token", "xox", r"(?<![A-Za-z0-9-])xox[abeoprs]-[A-Za-z0-9-]{10,255}"),
    _Form("a Slack webhook", "hooks.slack.com", r"hooks\.slack\.com/services/(T[A-Za-z0-9_/]{20,255})", secret=1),
    _Form("a Google API key", "aiza", r"(?<![A-Za-z0-9_-])AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    _Form("a Databricks token", "dapi", r"\bdapi[0-9a-f]{32}(?:-\d)?\b"),
    _Form("a PyPI token", "pypi-age", r"(?<![A-Za-z0-9_-])pypi-AgE[A-Za-z0-9_-]{40,512}"),
    _Form(
        "a JSON web token",
        "eyj",
        r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,4096}\.eyJ[A-Za-z0-9_-]{10,8192}\.[A-Za-z0-9_-]{10,4096}",
    ),
    _Form(
        "a password in an address",
        "://",
        r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@]{0,255}:([^\s/@]{3,512})@",
        secret=1,
    ),
)

_MIXED = ("an OpenAI key", "an Azure DevOps token")
"""Forms that plain words may have by chance: without digits in it, it is none."""

_SECRET_NAME = (
    r"(?:^|_)(?:token|(?:secret|passw(?:or)?d|passphrase|api_?key|account_?key|access_?key|secret_?key|private_?key|"
    r"subscription_?key|shared_?key|credential|connection_?str(?:ing)?)s?)[0-9]*$|_(?:pwd|sas|pat|pass|sas_url)$|"
    r"^(?:sas|pat|sas_url|pgpassword|sshpass)$|(?:^|_)(?:storage|openai|encryption)_?key$"
)
_HARMLESS_NAME = (
    r"(?:^|_)(?:pad|eos|bos|unk|sep|cls|mask|special|stop|start|end|begin|first|last|image|vocab|continuation|per)"
    r"_?token"
)
_WORD_STARTS = r"(?<=[a-z0-9])(?=[A-Z])"

_STAND_IN = (
    r"(?i)"
    r"<[^<>]*>|\$[A-Za-z_][A-Za-z0-9_]*|\{\{?[^{}]*\}?\}|\[[A-Za-z_ -]*\]|%[A-Za-z_][A-Za-z0-9_]*%|@[A-Za-z.]+\(.*|"
    r"[xX*.•?#_\-\s]+|null|none|true|false|\d{1,5}"
)
_FILLED_IN = r"\$\{|\$\(|\$\[|\$[A-Z_]{3,}|<[A-Za-z][^<>]*>"
_REFERENCE = r"(?i)(?:azureml:|keyvault:|vault:|secret:|env:|file:|ref\+|op://)|https://[^/\s]+\.vault\."
_MASKED = r"[xX*]{8,}"
_OTHER_LETTERS = r"[a-wyzA-WYZ]{4}"
_DUMMY = (
    r"(?i)change[-_ ]?(?:me|it|this)|dummy|example|placeholder|redacted|\byour\b|^your|fill[-_ ]?(?:me[-_ ]?)?in|todo|"
    r"replace[-_ ]?(?:me|this|with)|insert[-_ ]|\bfake\b|^fake|not[-_ ]?a[-_ ]?real"
)

_LONGEST_DUMMY = 40
"""Characters. In a longer value such a word stands by chance."""


def secrets_in(text: str) -> Iterator[Found]:
    """Secrets that a text holds, by their form; each part of the text once."""
    end = 0
    folded = text.lower()
    forms = (form for form in _FORMS if form.mark in folded)
    found = (Found(form.what, *match.span(form.secret)) for form in forms for match in re.finditer(form.pattern, text))
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if one.start >= end and not _is_none(one.what, text[one.start : one.end]):
            end = one.end
            yield one


def _is_none(what: str, secret: str) -> bool:
    """Whether what has the form of a secret stands in for one, or has the form by chance."""
    return is_stand_in(secret) or (what in _MIXED and not any(character.isdigit() for character in secret))


def names_secret(name: str) -> bool:
    """Whether a key or a variable says that it holds a secret."""
    folded = re.sub(_WORD_STARTS, "_", name).lower().replace("-", "_").replace(" ", "_")
    return re.search(_SECRET_NAME, folded) is not None and re.search(_HARMLESS_NAME, folded) is None


@functools.lru_cache(maxsize=64)
def secrets_in_line(line: str) -> tuple[str, ...]:
    """Texts in a line of YAML that must not be shown: secrets by their form, and what a key says is one."""
    found = [line[one.start : one.end] for one in secrets_in(line)]
    pair = re.match(_PAIR, line)
    pairs = [(pair[1], pair[2])] if pair else []
    pairs += [(flow[1], flow[2] or flow[3] or flow[4] or "") for flow in re.finditer(_FLOW_PAIR, line)]
    for name, text in pairs:
        value = text.strip().strip("\"'")
        if names_secret(name) and len(value) > 4 and not is_stand_in(value) and value not in found:
            found.append(value)
    return tuple(found)


_FLOW_PAIR = r"""[{,]\s*["']?([\w.-]+)["']?\s*:\s*(?:"([^"]*)"|'([^']*)'|([^\s,}\]"']+))"""
"""Each pair of `{a: 1, "b": "2"}`: JSON is YAML too."""

_PAIR = r"[\s{,-]*[\"']?([\w.-]+)[\"']?\s*:\s+([^#]+)"


def is_stand_in(value: str) -> bool:
    """Whether a value stands in for a secret and is none: `<key>`, `${KEY}`, `XXXX`, a reference to a vault."""
    stripped = value.strip()
    if (
        not stripped
        or re.fullmatch(_STAND_IN, stripped)
        or re.match(_REFERENCE, stripped)
        or re.search(_FILLED_IN, stripped)
    ):
        return True
    return re.search(_MASKED, stripped) is not None and not re.search(_OTHER_LETTERS, stripped)


def is_dummy(value: str) -> bool:
    """Whether a value says that it is to be replaced (`changeme`, `dummy`); it may be in use all the same."""
    return len(value) <= _LONGEST_DUMMY and re.search(_DUMMY, value) is not None


def masked(secret: str) -> str:
    """The start of a secret, enough to know it by: at most four characters, and a quarter of it."""
    return secret[: min(4, len(secret) // 4)] + "…"


def without_secrets(text: str) -> str:
    """The text with each secret in it cut to its first letters."""
    for found in reversed(list(secrets_in(text))):
        text = text[: found.start] + masked(text[found.start : found.end]) + text[found.end :]
    return text
