"""The life of a request: accepted, changed, read, erased, deleted."""
