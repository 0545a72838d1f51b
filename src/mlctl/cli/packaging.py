"""What `mlctl model package` does once its options are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlctl.cli.assets import desk_of
from mlctl.cli.environment_images import image_desk, shown_log
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
) -> dict[str, Any]:
    """Register the target environment; build its image, or write its context. `named`: name, version, registry."""
    from mlctl.backends.base import ImageOrder
    from mlctl.operations import images
    from mlctl.operations.assets import describe
    from mlctl.operations.packaging import build_package, package

    if push is not None and write_context is not None:
        raise UsageError("--push needs the image, and --write-context builds none")
    name, version, registry = named
    desk, assets = image_desk(context), desk_of(context)
    text = f"azureml:{name}:{version}"
    if registry is not None:
        text = f"azureml://registries/{registry}/models/{name}/versions/{version}"
    model = assets.resolver.get(text, MODEL)
    made = package(desk, context.clock, assets.resolver, model, file)
    context.say.warnings(made.warnings)
    shown = describe(assets, made.asset)
    if write_context is not None:
        assert made.asset.content is not None
        context.store.content.materialise(made.asset.content, write_context)
        return {**shown, "build_context": str(write_context)}
    with shown_log(context) as log:
        image = build_package(desk, assets.resolver, made.asset, ImageOrder(), log, push=push)
    return {**shown, "built_image": images.describe(image)}
