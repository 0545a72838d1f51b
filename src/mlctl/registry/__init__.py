"""Shared registries: assets in a folder or at a URL that several workspaces, people and machines use."""
