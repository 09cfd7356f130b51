"""The queue: what is due, who has leased it, and what became of it."""
