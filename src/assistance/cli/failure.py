"""How a command fails: in one plain line."""


class FailedError(Exception):
    """The command has failed; the text says why, in words that need no traceback."""


def one_line(text: object) -> str:
    """The text on one line, without what a terminal would obey: some of it comes from other machines."""
    return "; ".join(filter(None, (plain(line).strip() for line in str(text).splitlines())))


def plain(line: str) -> str:
    """The line with a space for each character that cannot be printed."""
    return "".join(character if character.isprintable() else " " for character in line)
