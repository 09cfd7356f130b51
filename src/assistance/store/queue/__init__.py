"""The queue: what is due, who has leased it, and the outcome."""
