"""What `mlctl model package` does once its options are read."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from mlctl.cli.assets import desk_of
from mlctl.cli.environment_images import shown_log
from mlctl.cli.online_endpoint import desk_of as endpoint_desk
from mlctl.context import Context
from mlctl.entities.asset import MODEL
from mlctl.errors import UsageError


def package_model(
    context: Context,
    named: tuple[str, str, str | None],
    file: Path,
    *,
    push: str | None,
    write_context: Path | None,
    no_cache: bool = False,
) -> dict[str, Any]:
    """Register the target environment; build its image, or write its context. `named`: name, version, registry."""
    from mlctl.backends.base import ImageOrder
    from mlctl.images.recipe import new_folder
    from mlctl.operations import images
    from mlctl.operations.assets import describe
    from mlctl.operations.packaging import build_package, check_target, package

    if push is not None and write_context is not None:
        raise UsageError("--push needs the image, and --write-context builds none")
    check_target(push)
    name, version, registry = named
    desk, assets = endpoint_desk(context), desk_of(context)
    text = f"azureml:{name}:{version}"
    if registry is not None:
        text = f"azureml://registries/{registry}/models/{name}/versions/{version}"
    with nullcontext() if write_context is None else new_folder(write_context):
        made, warnings = package(desk, assets.resolver, assets.resolver.get(text, MODEL), file)
        context.say.warnings(warnings)
        shown = describe(assets, made)
        if write_context is not None:
            assert made.content is not None
            context.store.content.materialise(made.content, write_context)
            return {**shown, "build_context": str(write_context)}
    with shown_log(context) as log:
        image = build_package(desk, assets.resolver, made, ImageOrder(no_cache=no_cache), log, push=push)
    return {**shown, "built_image": images.describe(image)}
