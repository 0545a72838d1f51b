"""Who may ask an endpoint: two keys (`auth_mode: key`) or signed tokens that expire (`auth_mode: aml_token`).

`keys.json` (0600): {"primary": …, "secondary": …, "token_secret": …}. Tokens are JSON Web Tokens, HS256, so that a
client can read when its token ends. A token that was issued before `token_secret` changed is no longer good.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mlctl.errors import InvalidSpecError, NotFoundError
from mlctl.serving.routes import write_whole

FILE = "keys.json"
TOKEN_SECONDS = 12 * 3600
_SHORTEST = 16
_HEADER = urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Keys:
    """The secrets of one endpoint. They show in no `repr`, so that no message or traceback has them."""

    primary: str
    secondary: str
    token_secret: str

    def __repr__(self) -> str:
        return "Keys(…)"


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its times in seconds since the epoch; a client asks for the next one at `refresh_after`."""

    access_token: str
    expires: int
    refresh_after: int

    def __repr__(self) -> str:
        return f"Token(…, expires={self.expires})"


def new_keys() -> Keys:
    """Three secrets from the system's cryptographic source."""
    return Keys(_secret(), _secret(), _secret())


def renewed(keys: Keys, which: str) -> Keys:
    """`keys` with a new `primary`, `secondary` or `token_secret`; the others stay."""
    return replace(keys, **{which: _secret()})


def save_keys(folder: Path, keys: Keys) -> None:
    """Write `keys.json`, readable by the owner only. A running router takes it up within 100 ms."""
    write_whole(folder / FILE, asdict(keys))


def load_keys(folder: Path) -> Keys:
    """Read `keys.json`. Raises NotFoundError, or InvalidSpecError when a key is missing or too short to be one."""
    path = folder / FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        keys = Keys(data["primary"], data["secondary"], data["token_secret"])
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no {path}", hint="the endpoint was not set up here, or was deleted") from error
    except (ValueError, TypeError, KeyError):
        # what went wrong may quote a key
        raise InvalidSpecError(f"{path} does not hold primary, secondary and token_secret") from None
    if any(not isinstance(key, str) or len(key) < _SHORTEST for key in (data[name] for name in Keys.__slots__)):
        raise InvalidSpecError(f"a key in {path} is shorter than {_SHORTEST} characters")
    return keys


def issue_token(keys: Keys, *, now: float, seconds: int = TOKEN_SECONDS) -> Token:
    """A token that is good for `seconds` from `now`."""
    expires = int(now) + seconds
    payload = json.dumps({"iat": int(now), "exp": expires}, separators=(",", ":")).encode()
    signed = f"{_HEADER}.{_encoded(payload)}"
    return Token(f"{signed}.{_signature(keys, signed)}", expires, int(now) + seconds // 2)


def refusal(authorization: str | None, keys: Keys, auth_mode: str, *, now: float) -> str | None:
    """Why a request with this `Authorization` header may not be answered, or None when it may.

    Keys and signatures are compared in constant time.
    """
    if not authorization:
        return "the request has no Authorization header; send 'Authorization: Bearer <key or token>'"
    scheme, _, credential = authorization.partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        return "the Authorization header is not of the form 'Bearer <key or token>'"
    if auth_mode == "aml_token":
        return _refused_token(credential.strip(), keys, now)
    given = credential.strip().encode("utf-8", "surrogateescape")
    # both comparisons always run: the time tells nothing about which key it was
    found = [hmac.compare_digest(given, key.encode()) for key in (keys.primary, keys.secondary)]
    return None if any(found) else "the key is not one of this endpoint's keys"


def _refused_token(token: str, keys: Keys, now: float) -> str | None:
    signed, _, signature = token.rpartition(".")
    expected = _signature(keys, signed).encode()
    genuine = hmac.compare_digest(signature.encode("utf-8", "surrogateescape"), expected)
    header, _, payload = signed.partition(".")
    if not genuine or header != _HEADER:
        return "the token was not issued for this endpoint, or its secret was renewed since"
    expires = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"]
    return None if now < expires else "the token has expired; get a new one"


def _signature(keys: Keys, signed: str) -> str:
    key, message = keys.token_secret.encode(), signed.encode("utf-8", "surrogateescape")
    return _encoded(hmac.digest(key, message, "sha256"))


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _secret() -> str:
    import secrets

    return secrets.token_urlsafe(32)
