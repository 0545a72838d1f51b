"""From a YAML file to a checked document: read, override, validate, check."""
