"""The steps of a pipeline: what each one is, and what it takes and gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath
from mlctl.spec.rules.interface import UNKNOWN, Interface, declared_interface, given_interface

CONTROL_FLOW = ("do_while", "if_else", "parallel_for")
_KINDS = {
    "command": "commandComponent",
    "sweep": "commandComponent",
    "parallel": "parallelComponent",
    "spark": "sparkComponent",
    "import": "importComponent",
    "data_transfer": "dataTransferComponent",
}
_TYPES = {"pipelineComponent": "pipeline", "parallelComponent": "parallel", "sparkComponent": "spark"}
_HOLDERS = {"sweep": "trial"}


class Step(NamedTuple):
    """One step. `type`: command when absent. `holder`: the key that has its component, when it has one.

    `nested`: the check of the component's file, None when it is no file.
    """

    name: str
    path: KeyPath
    data: Mapping[str, Any]
    type: str
    holder: str | None
    interface: Interface
    nested: SpecCheck | None = None

    @property
    def component_kind(self) -> str:
        """The kind of an inline component under `holder`."""
        return _KINDS.get(self.type, "commandComponent")

    @property
    def has_inline_component(self) -> bool:
        """Whether the component is written out in the step."""
        return self.holder is not None and isinstance(self.data.get(self.holder), dict)


def steps_of(spec: SpecCheck) -> dict[str, Step]:
    """The steps of a pipeline by name, in the order of the file."""
    return {name: _step(spec, name, data) for name, data in spec.mapping("jobs").items() if isinstance(data, dict)}


def texts_of(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Every text within a value, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts_of(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts_of(item, (*path, index))


def _step(spec: SpecCheck, name: str, data: Mapping[str, Any]) -> Step:
    kind = data.get("type")
    kind = kind if isinstance(kind, str) else "command"
    path: KeyPath = ("jobs", name)
    holder = _HOLDERS.get(kind, "component")
    if holder not in data:
        interface = UNKNOWN if kind in CONTROL_FLOW else given_interface(spec, path)
        return Step(name, path, data, kind, None, interface)
    component = data[holder]
    nested = spec.files.get((*path, holder))
    if nested is not None:
        # a step that does not say what it is, is what its component is
        kind = kind if "type" in data else _TYPES.get(nested.kind.name, kind)
        interface = declared_interface(nested)
    elif isinstance(component, dict):
        interface = declared_interface(spec, (*path, holder))
    else:
        interface = UNKNOWN
    return Step(name, path, data, kind, holder, interface, nested)
