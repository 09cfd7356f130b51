"""The routing file: YAML, its schema, and its problems with their lines."""
