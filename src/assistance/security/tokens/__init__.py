"""Tokens: from the text of a header to a principal that is known."""
