"""Names of time zones: those of Windows, which Azure ML takes, and those of the IANA data base, which it does not."""

from __future__ import annotations

import functools
from collections.abc import Iterable

# each is followed by "Standard Time"
_STANDARD = """
    Afghanistan; Alaskan; Aleutian; Altai; Arab; Arabian; Arabic; Argentina; Astrakhan; Atlantic; AUS Central; Aus
    Central W.; AUS Eastern; Azerbaijan; Azores; Bahia; Bangladesh; Belarus; Bougainville; Canada Central; Cape
    Verde; Caucasus; Cen. Australia; Central America; Central Asia; Central Brazilian; Central Europe; Central
    European; Central Pacific; Central; Chatham Islands; China; Cuba; Dateline; E. Africa; E. Australia; E. Europe;
    E. South America; Easter Island; Eastern; Egypt; Ekaterinburg; Fiji; FLE; Georgian; GMT; Greenland; Greenwich;
    GTB; Haiti; Hawaiian; India; Iran; Israel; Jordan; Kaliningrad; Kamchatka; Korea; Libya; Line Islands; Lord
    Howe; Magadan; Magallanes; Marquesas; Mauritius; Mid-Atlantic; Middle East; Montevideo; Morocco; Mountain;
    Myanmar; N. Central Asia; Namibia; Nepal; New Zealand; Newfoundland; Norfolk; North Asia East; North Asia; North
    Korea; Omsk; Pacific SA; Pacific; Pakistan; Paraguay; Qyzylorda; Romance; Russian; SA Eastern; SA Pacific; SA
    Western; Saint Pierre; Sakhalin; Samoa; Sao Tome; Saratov; SE Asia; Singapore; South Africa; South Sudan; Sri
    Lanka; Sudan; Syria; Taipei; Tasmania; Tocantins; Tokyo; Tomsk; Tonga; Transbaikal; Turkey; Turks And Caicos;
    Ulaanbaatar; US Eastern; US Mountain; Venezuela; Vladivostok; Volgograd; W. Australia; W. Central Africa; W.
    Europe; W. Mongolia; West Asia; West Bank; West Pacific; Yakutsk; Yukon
"""
_OTHERS = (
    "Central Standard Time (Mexico)",
    "Eastern Standard Time (Mexico)",
    "Mountain Standard Time (Mexico)",
    "Pacific Standard Time (Mexico)",
    "Russia Time Zone 10",
    "Russia Time Zone 11",
    "Russia Time Zone 3",
    "UTC",
    "UTC+12",
    "UTC+13",
    "UTC-02",
    "UTC-08",
    "UTC-09",
    "UTC-11",
)

WINDOWS: tuple[str, ...] = (*(f"{' '.join(name.split())} Standard Time" for name in _STANDARD.split(";")), *_OTHERS)
"""Names of Windows, as they are written."""

_WINDOWS = {name.lower(): name for name in WINDOWS}

_SAME = {
    "America/New_York": "Eastern Standard Time",
    "America/Chicago": "Central Standard Time",
    "America/Denver": "Mountain Standard Time",
    "America/Los_Angeles": "Pacific Standard Time",
    "America/Toronto": "Eastern Standard Time",
    "America/Sao_Paulo": "E. South America Standard Time",
    "Asia/Dubai": "Arabian Standard Time",
    "Asia/Hong_Kong": "China Standard Time",
    "Asia/Kolkata": "India Standard Time",
    "Asia/Seoul": "Korea Standard Time",
    "Asia/Shanghai": "China Standard Time",
    "Asia/Singapore": "Singapore Standard Time",
    "Asia/Tokyo": "Tokyo Standard Time",
    "Australia/Sydney": "AUS Eastern Standard Time",
    "Etc/UTC": "UTC",
    "Europe/Amsterdam": "W. Europe Standard Time",
    "Europe/Berlin": "W. Europe Standard Time",
    "Europe/London": "GMT Standard Time",
    "Europe/Madrid": "Romance Standard Time",
    "Europe/Paris": "Romance Standard Time",
    "Europe/Rome": "W. Europe Standard Time",
    "Europe/Stockholm": "W. Europe Standard Time",
    "Europe/Vienna": "W. Europe Standard Time",
    "Europe/Warsaw": "Central European Standard Time",
    "Europe/Zurich": "W. Europe Standard Time",
    "GMT": "UTC",
}
"""Well-known IANA names and the Windows name of the same zone."""


def is_windows(name: str) -> bool:
    """Whether Windows calls a time zone so; case does not count."""
    return name.lower() in _WINDOWS


def is_iana(name: str) -> bool:
    """Whether the IANA data base has a time zone of that name."""
    return name in _SAME or name.lower() in _iana()


def windows_name(name: str) -> str | None:
    """The Windows name of an IANA zone, for the well-known ones."""
    return _SAME.get(name)


def all_names() -> Iterable[str]:
    """Every name that is known, for "did you mean"."""
    return (*WINDOWS, *_SAME)


@functools.cache
def _iana() -> frozenset[str]:
    """Names of the machine's data base, in lower case; empty when it has none."""
    import zoneinfo

    try:
        return frozenset(name.lower() for name in zoneinfo.available_timezones())
    except (OSError, ValueError):
        return frozenset()
