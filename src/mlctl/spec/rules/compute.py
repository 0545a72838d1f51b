"""Computes: clusters, instances and what is attached."""

from __future__ import annotations

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.rules.identity import check_identity
from mlctl.spec.rules.names import COMPUTE, check_name
from mlctl.spec.rules.parts import Range, check_range, has, maps_in, number, part, raw, require, text
from mlctl.spec.rules.resource import check_resource_id
from mlctl.spec.rules.times import check_length
from mlctl.spec.rules.trigger import check_trigger

_ATTACHED = {
    "virtualMachineCompute": ("Microsoft.Compute/virtualMachines",),
    "synapseSparkCompute": ("Microsoft.Synapse/workspaces/bigDataPools",),
    "kubernetesCompute": (
        "Microsoft.Kubernetes/connectedClusters",
        "Microsoft.ContainerService/managedClusters",
    ),
}
_LOCAL = ("localCompute", "dockerCompute")

SHORTEST_IDLE, LONGEST_IDLE = 15, 3 * 24 * 60
"""Minutes that an instance can be idle before it stops."""

_FIRST_PORT, _LAST_PORT = 1026, 65534


def check_compute(spec: SpecCheck) -> None:
    """A compute of any kind; those of this machine have no rules of Azure."""
    if spec.kind.name in _LOCAL:
        return
    check_name(spec, ("name",), COMPUTE)
    check_identity(spec)
    _check_counts(spec)
    _check_network(spec)
    _check_ssh(spec)
    if spec.kind.name in _ATTACHED:
        check_resource_id(spec, ("resource_id",), *_ATTACHED[spec.kind.name])
    if spec.kind.name == "computeInstance":
        _check_instance(spec)


def _check_counts(spec: SpecCheck) -> None:
    """The least instances are not more than the most."""
    least_key, most_key = "min_instances", "max_instances"
    for key in (least_key, most_key, "idle_time_before_scale_down"):
        check_range(spec, Range((key,), 0))
    least, most = number(spec, least_key), number(spec, most_key)
    if least is not None and most is not None and 0 <= most < least:
        message = f"'{most_key}' is {most:g}, less than '{least_key}' {least:g}"
        spec.error(
            "conflict", (most_key,), message, value=most, hint=f"write at least {least:g}, or lower '{least_key}'"
        )
    elif least is not None and least > 4 and not has(spec, most_key) and spec.kind.name == "amlCompute":
        message = f"'{least_key}' is {least:g}, more than the 4 of '{most_key}' when it is left out"
        spec.error("conflict", (least_key,), message, value=least, hint=f"add '{most_key}: {least:g}'")


def _check_network(spec: SpecCheck) -> None:
    """A subnet goes with its virtual network, unless it is the id of a resource."""
    subnet = text(spec, "network_settings", "subnet")
    network: KeyPath = ("network_settings", "vnet_name")
    if has(spec, *network):
        require(spec, ("network_settings", "subnet"), hint="add 'subnet: <name>'")
    elif subnet is not None and "subscriptions/" not in subnet:
        require(spec, network, hint="add 'vnet_name: <name>', or give the subnet by its resource id")


def _check_ssh(spec: SpecCheck) -> None:
    """Someone to sign in as, and something to sign in with."""
    if not isinstance(raw(spec, "ssh_settings"), dict):
        return
    if spec.kind.name in ("amlCompute", "virtualMachineCompute"):
        require(spec, ("ssh_settings", "admin_username"), hint="add 'admin_username: …'")
    keys = {
        "amlCompute": ("ssh_key_value", "admin_password"),
        "virtualMachineCompute": ("ssh_private_key_file", "admin_password"),
        "computeInstance": ("ssh_key_value",),
    }.get(spec.kind.name, ())
    if keys and not any(has(spec, "ssh_settings", key) for key in keys):
        message = (
            f"'ssh_settings' has neither {' nor '.join(keys)}" if len(keys) > 1 else f"'ssh_settings' lacks {keys[0]}"
        )
        spec.warn("missing_key", ("ssh_settings", keys[0]), message, hint=f"add '{keys[0]}: …'")


def _check_instance(spec: SpecCheck) -> None:
    _check_idle(spec)
    for path, _ in maps_in(spec, "schedules", "compute_start_stop"):
        if require(spec, (*path, "trigger"), hint="add 'trigger:' with 'type: cron' or 'type: recurrence'"):
            check_trigger(spec, (*path, "trigger"))
    for key in ("creation_script", "startup_script"):
        if isinstance(raw(spec, "setup_scripts", key), dict):
            _check_setup(spec, ("setup_scripts", key))
    _check_applications(spec)


def _check_idle(spec: SpecCheck) -> None:
    minutes, older = "idle_time_before_shutdown_minutes", "idle_time_before_shutdown"
    check_range(spec, Range((minutes,), SHORTEST_IDLE, LONGEST_IDLE, "minutes"))
    length = check_length(spec, (older,))
    if length is not None and not SHORTEST_IDLE <= length <= LONGEST_IDLE:
        message = f"'{older}' is {text(spec, older)}, it must be from PT15M to P3D"
        spec.error("out_of_range", (older,), message, value=text(spec, older), hint=f"use '{minutes}: 30'")
    if has(spec, minutes) and has(spec, older):
        message = f"'{older}' is ignored beside '{minutes}'"
        spec.warn("ignored", (older,), message, hint=f"remove '{older}'")


def _check_setup(spec: SpecCheck, path: KeyPath) -> None:
    """A setup script is a file or a command."""
    path_key, command = has(spec, *path, "path"), has(spec, *path, "command")
    if path_key and command:
        message = f"'{dotted(path)}' has both path and command"
        spec.error("conflict", (*path, "command"), message, hint="keep one of the two", on_key=True)
    elif not path_key and not command:
        message = f"'{dotted(path)}' has neither path nor command"
        require(spec, (*path, "command"), hint="add 'path: …' or 'command: …'", message=message)


def _check_applications(spec: SpecCheck) -> None:
    """Names and ports of custom applications are used once, and ports are free ones."""
    names: set[str] = set()
    ports: set[float] = set()
    for path, application in maps_in(spec, "custom_applications"):
        name = application.get("name")
        if isinstance(name, str) and name in names:
            message = f"'{dotted((*path, 'name'))}': there is another application '{name}'"
            spec.error("conflict", (*path, "name"), message, value=name, hint="give each one its own name")
        names |= {name} if isinstance(name, str) else set()
        for endpoint, _ in maps_in(spec, *path, "endpoints"):
            _check_ports(spec, endpoint, ports)


def _check_ports(spec: SpecCheck, path: KeyPath, taken: set[float]) -> None:
    for key in ("target", "published"):
        require(spec, (*path, key), hint=f"add '{key}: <port>'")
        check_range(spec, Range((*path, key), _FIRST_PORT, _LAST_PORT))
    published = part(spec, *path, "published")
    if published in taken:
        message = f"'{dotted((*path, 'published'))}': port {published} is published twice"
        spec.error("conflict", (*path, "published"), message, value=published, hint="publish each port once")
    if isinstance(published, int):
        taken.add(published)
