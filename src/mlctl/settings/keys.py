"""Every setting that exists, as data: key, default, kind, meaning, and the variables it falls back on."""

from __future__ import annotations

from typing import NamedTuple

from mlctl.errors import UsageError

OUTPUT_FORMATS = ("json", "jsonc", "none", "table", "tsv", "yaml", "yamlc")


class Setting(NamedTuple):
    """One setting.

    `kind` is text, flag, integer, number, choice, path or pairs (`a=b c=d`). `env`: variables read after
    `MLCTL_<SECTION>_<KEY>`, in this order.
    """

    key: str
    default: str | None
    kind: str
    description: str
    env: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """Environment variables that may hold the value, the strongest first."""
        own = "MLCTL_" + self.key.upper().replace(".", "_")
        return (own, *(name for name in self.env if name != own))


_TABLE = (
    Setting("home", "~/.mlctl", "path", "folder of workspaces, caches and the user's config file"),
    Setting(
        "core.disable_confirm_prompt",
        None,
        "flag",
        "answer yes to every question",
        ("AZURE_CORE_DISABLE_CONFIRM_PROMPT",),
    ),
    Setting("core.no_color", None, "flag", "never colour", ("NO_COLOR", "AZURE_CORE_NO_COLOR")),
    Setting("core.only_show_errors", None, "flag", "hide warnings", ("AZURE_CORE_ONLY_SHOW_ERRORS",)),
    Setting("core.output", "json", "choice", "output format", ("MLCTL_OUTPUT", "AZURE_CORE_OUTPUT"), OUTPUT_FORMATS),
    Setting(
        "defaults.backend",
        "local",
        "text",
        "back end for a compute that this workspace does not know",
        ("MLCTL_BACKEND",),
    ),
    Setting(
        "defaults.group",
        None,
        "text",
        "resource group (means nothing on back ends of this machine)",
        ("AZURE_DEFAULTS_GROUP",),
    ),
    Setting("defaults.location", None, "text", "location of new workspaces", ("AZURE_DEFAULTS_LOCATION",)),
    Setting(
        "defaults.subscription",
        None,
        "text",
        "subscription (means nothing on back ends of this machine)",
        ("AZURE_DEFAULTS_SUBSCRIPTION",),
    ),
    Setting(
        "defaults.workspace",
        "default",
        "text",
        "workspace: a name, or the path of a workspace folder",
        ("MLCTL_WORKSPACE", "AZURE_DEFAULTS_WORKSPACE"),
    ),
    Setting("docker.build_network", None, "text", "network of image builds, such as host"),
    Setting("docker.ca_bundle", None, "path", "file of certificates that containers trust"),
    Setting(
        "docker.host", None, "text", "address of the engine, such as unix:///var/run/docker.sock", ("DOCKER_HOST",)
    ),
    Setting("docker.network", None, "text", "network of job containers"),
    Setting("docker.reconnect_seconds", "30", "number", "how long a job or replica waits for an engine that went away"),
    Setting("endpoints.log_files", "3", "integer", "how many files of each log of an endpoint are kept"),
    Setting("endpoints.log_megabytes", "20", "number", "size at which a log of an endpoint is put aside as <name>.1"),
    Setting("environments.map", None, "path", "own table of curated environments, put over the built-in one"),
    Setting(
        "environments.pip_arguments", None, "text", "further arguments when packages are installed, such as --index-url"
    ),
    Setting("environments.python_downloads", "false", "flag", "whether uv may download a Python that is not here"),
    Setting("environments.uv", None, "path", "the uv program to use"),
    Setting(
        "gc.keep_last", None, "integer", "how many archived versions of a name, and jobs, mlctl gc --archived keeps"
    ),
    Setting("gc.older_than", None, "text", "how old archived things and caches must be for mlctl gc, such as 30d"),
    Setting("images.mirrors", None, "pairs", "other names for images or registries: name=replacement …"),
    Setting("jobs.grace_period", "30", "number", "seconds between asking a job to end and ending it"),
    Setting(
        "local.max_concurrent",
        None,
        "integer",
        "how many jobs run at once on a compute without max_concurrent; if empty, as many as processors, at least 4",
    ),
    Setting(
        "local.pass_environment",
        None,
        "text",
        "variables of yours that jobs on local may see: names with *, blanks between",
    ),
    Setting(
        "proxy.http", None, "text", "proxy for http, handed to jobs and image builds", ("http_proxy", "HTTP_PROXY")
    ),
    Setting(
        "proxy.https", None, "text", "proxy for https, handed to jobs and image builds", ("https_proxy", "HTTPS_PROXY")
    ),
    Setting("proxy.no_proxy", None, "text", "hosts that are reached without a proxy", ("no_proxy", "NO_PROXY")),
    Setting("tracking.uri", None, "text", "MLflow tracking URI of jobs; empty for the workspace's own"),
)

KEYS: dict[str, Setting] = {setting.key: setting for setting in _TABLE}
"""All settings by key."""

_TRUE = frozenset({"1", "yes", "true", "on"})
_FALSE = frozenset({"0", "no", "false", "off"})


def find_setting(key: str) -> Setting:
    """The setting called `key`; case and `-` for `_` do not matter. Raises UsageError with the nearest name."""
    wanted = key.strip().lower().replace("-", "_")
    setting = KEYS.get(wanted)
    if setting is not None:
        return setting
    from difflib import get_close_matches

    near = get_close_matches(wanted, KEYS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "all keys: mlctl config list"
    raise UsageError(f"unknown setting {key!r}", hint=hint)


def parse_flag(text: str) -> bool | None:
    """True or False for 1/yes/true/on and their opposites in any case, else None."""
    word = text.strip().lower()
    if word in _TRUE:
        return True
    return False if word in _FALSE else None


def check_value(setting: Setting, text: str, source: str) -> None:
    """Raise UsageError when `text`, found at `source`, is no value of `setting`. Empty text is always fine."""
    if not text:
        return
    expected = _expectation(setting, text)
    if expected:
        raise UsageError(f"{source}: {setting.key} is {text!r}", hint=f"it must be {expected}")


def _expectation(setting: Setting, text: str) -> str | None:
    if setting.kind == "flag" and parse_flag(text) is None:
        return "true or false (or yes, no, on, off, 1, 0)"
    if setting.kind == "integer" and not (_converts(int, text) and int(text) >= 1):
        return "a whole number from 1"
    if setting.kind == "number" and not (_converts(float, text) and 0 <= float(text) < _LARGEST):
        return "a number from 0"
    if setting.kind == "choice" and text.lower() not in setting.choices:
        return "one of " + ", ".join(setting.choices)
    if setting.kind == "pairs" and any("=" not in word for word in text.split()):
        return "name=value pairs with blanks between"
    return None


_LARGEST = 1e9
"""No setting means more than that; it also keeps out what is no number and infinity."""


def _converts(convert: type[int] | type[float], text: str) -> bool:
    try:
        convert(text)
    except ValueError:
        return False
    return True
