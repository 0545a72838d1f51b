"""What a command works with: settings, clock, workspaces, store, back ends and stderr; each made on first use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlctl.output.streams import Say, Streams

if TYPE_CHECKING:
    from mlctl.backends.base import Backend
    from mlctl.entities.clock import Clock
    from mlctl.settings import Settings
    from mlctl.store.workspaces import Workspaces, WorkspaceStore


class Context:
    """The world of one command. Tests pass stand-ins; a command gets the real ones lazily.

    `output_given`: whether `-o` or `--query` was written, for commands whose natural output is a log.
    `report_format`: the `-o` of a command that has formats of its own, empty without.
    `query`: the compiled `--query`, None without. `say`: talk on stderr. `streams`: for a log that goes to stdout or
    stderr as bytes.
    """

    def __init__(
        self,
        *,
        settings: Settings | None = None,
        clock: Clock | None = None,
        streams: Streams | None = None,
        store: WorkspaceStore | None = None,
        backends: Mapping[str, Backend] | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._workspaces: Workspaces | None = None
        self._backends: dict[str, Backend] = dict(backends or {})
        self._clock = clock
        self.streams = streams or Streams()
        self.say = Say(self.streams, colour=lambda: not self.settings.flag("core.no_color"), conceal=_conceal)
        self.output_given = False
        self.report_format = ""
        self.query: Any = None

    @property
    def clock(self) -> Clock:
        """Time and fresh names."""
        if self._clock is None:
            from mlctl.entities.clock import Clock

            self._clock = Clock()
        return self._clock

    @property
    def settings(self) -> Settings:
        """The settings of this call. Raises UsageError or AuthError when a config file cannot be read."""
        if self._settings is None:
            from mlctl.settings import load

            self._settings = load()
            for text in self._settings.warnings:
                self.say.warning(text)
        return self._settings

    def override(self, values: Mapping[str, str], source: str) -> None:
        """Put values given on the command line over the settings; `source` is the option's name."""
        self._settings = self.settings.with_overrides(values, source)

    @property
    def workspaces(self) -> Workspaces:
        """All workspaces under `home`."""
        if self._workspaces is None:
            from mlctl.store.workspaces import Workspaces

            self._workspaces = Workspaces(self.settings.home, self.clock)
        return self._workspaces

    @property
    def store(self) -> WorkspaceStore:
        """The store of the workspace that `-w` or the settings name; `default` is made on first use.

        Raises NotFoundError.
        """
        if self._store is None:
            self._store = self.workspaces.open(self.settings.text("defaults.workspace") or "default")
        return self._store

    def backend(self, name: str) -> Backend:
        """A back end, bound to the workspace. Raises NotFoundError, or UnavailableError when its extra is missing."""
        if name not in self._backends:
            from mlctl.backends import connect

            self._backends[name] = connect(name, self.settings, self.store)
        return self._backends[name]


def _conceal(text: str) -> str:
    from mlctl.operations.concealing import concealed

    return concealed(text)
