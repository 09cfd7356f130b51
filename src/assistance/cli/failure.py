"""How a command fails: in one plain line."""


class FailedError(Exception):
    """The command has failed; the text is the reason, for a person."""


def one_line(text: object) -> str:
    """The text on one line, without control characters for a terminal: some of it comes from other machines."""
    return "; ".join(filter(None, (plain(line).strip() for line in str(text).splitlines())))


def plain(line: str) -> str:
    """The line with a space for each character that cannot be printed."""
    return "".join(character if character.isprintable() else " " for character in line)
