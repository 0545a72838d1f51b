"""Datastores as places for files: addresses, credentials, transfers. SDKs are imported when a datastore is opened."""
