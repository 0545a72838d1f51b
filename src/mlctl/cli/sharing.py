"""The verb `share`, for every kind of asset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from mlctl.cli.command import command
from mlctl.cli.names import complete_assets, complete_registries
from mlctl.cli.options import POLICY
from mlctl.context import Context

_WORDS = {"data": "data asset"}

Name = Annotated[
    str, typer.Option("--name", "-n", metavar="NAME", autocompletion=complete_assets, help="Name of the asset.")
]
Version = Annotated[str, typer.Option("--version", "-v", metavar="VERSION", help="The version.")]
RegistryName = Annotated[
    str,
    typer.Option(
        "--registry-name", metavar="REGISTRY", autocompletion=complete_registries, help="The registry that gets it."
    ),
]
NewName = Annotated[
    str | None, typer.Option("--share-with-name", metavar="TEXT", help="Its name there; the same without.")
]
NewVersion = Annotated[
    str | None, typer.Option("--share-with-version", metavar="VERSION", help="Its version there; the same without.")
]


def share_verb(kind: str) -> Callable[..., Any]:
    """`share`: a version of the workspace is copied into a registry."""

    def share(
        context: Context,
        *,
        name: Name,
        version: Version,
        registry_name: RegistryName,
        share_with_name: NewName = None,
        share_with_version: NewVersion = None,
    ) -> dict[str, Any]:
        from mlctl.cli.progress import byte_progress
        from mlctl.operations.registries import describe_shared, open_registry
        from mlctl.operations.sharing import dangling_references, hidden_from_others
        from mlctl.operations.sharing import share as share_asset

        registry = open_registry(context.settings, registry_name)
        asset = context.store.assets.get(kind, name, version)
        shared = share_asset(
            asset,
            context.store,
            registry,
            name=share_with_name or name,
            version=share_with_version or version,
            now=context.clock.now(),
            progress=byte_progress(context),
        )
        context.say.warnings(hidden_from_others(asset, context.store))
        for reference in dangling_references(asset):
            context.say.warning(
                f"{kind} '{name}' names {reference}, which only this workspace has; "
                "share that too, and name it by azureml://registries/…"
            )
        return describe_shared(shared, registry)

    share.__doc__ = (
        f"Copy one version of this {_WORDS.get(kind, kind)} into a registry, for other workspaces.\n\n"
        "Files that the registry has already are not copied; each copy is checked against its digest. The same version "
        "again changes nothing; with other content it is refused (exit 6)."
    )
    return command(accepted=POLICY)(share)
