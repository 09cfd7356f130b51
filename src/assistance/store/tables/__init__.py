"""The tables, and how a row becomes a noun."""
