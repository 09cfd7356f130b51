"""`assistance demo`: the main job, played once."""
