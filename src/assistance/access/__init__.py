"""Who comes in, for every front: tokens, rights, rate limits, and waiting for news."""
