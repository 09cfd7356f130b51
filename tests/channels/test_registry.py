"""How `type: …` in the routing file finds a channel's class."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import assistance.channels
from assistance.channels import UnknownTypeError, channel_class, channel_types
from assistance.channels.email import Email
from assistance.channels.slack import Slack

CHANNEL = '''
from assistance.channels import Channel
from assistance.channels.slack import Slack


class {name}(Channel):
    """A channel."""
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose files are found as if they were in `channels`."""
    monkeypatch.setattr(assistance.channels, "__path__", [*assistance.channels.__path__, str(tmp_path)])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_our_own_channels_are_found() -> None:
    """A file and a folder, by their names."""
    assert {"email", "log", "slack"} <= set(channel_types())
    assert (channel_class("slack"), channel_class("email")) == (Slack, Email)


def test_a_file_is_a_channel(folder: Path) -> None:
    """The class that the file defines is found, not one that it imports."""
    write(folder / "one_file.py", CHANNEL.format(name="OneFile"))
    assert "one_file" in channel_types()
    assert channel_class("one_file").__name__ == "OneFile"


def test_a_folder_is_a_channel(folder: Path) -> None:
    """The class is in its `__init__.py`."""
    write(folder / "one_folder/__init__.py", CHANNEL.format(name="OneFolder"))
    write(folder / "one_folder/wire.py", "")
    assert "one_folder" in channel_types()
    assert channel_class("one_folder").__name__ == "OneFolder"


def test_a_folder_may_define_its_class_in_a_file_of_its_own(folder: Path) -> None:
    """`__init__.py` imports it from there."""
    write(folder / "parted/__init__.py", "from assistance.channels.parted.channel import Parted, Slack")
    write(folder / "parted/channel.py", CHANNEL.format(name="Parted"))
    assert channel_class("parted").__name__ == "Parted"


def test_what_starts_with_an_underscore_is_no_channel(folder: Path) -> None:
    """Files and folders that channels share have such names."""
    write(folder / "_shared.py", CHANNEL.format(name="Shared"))
    write(folder / "_parts/__init__.py", CHANNEL.format(name="Parts"))
    assert not [name for name in channel_types() if name.startswith("_")]
    for name in ("_shared", "_parts", "_channel"):
        with pytest.raises(UnknownTypeError):
            channel_class(name)


def test_another_package_brings_a_channel_by_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class is found by the name of its entry point; our own channels go first, and a function is no channel."""
    write(tmp_path / "others-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    write(
        tmp_path / "others-1.0.dist-info/entry_points.txt",
        "[assistance.channels]\nelsewhere = tests.routing.fragile:Fragile\nslack = tests.routing.fragile:Fragile\n"
        "function = os.path:join\n",
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert "elsewhere" in channel_types()
    assert channel_class("elsewhere").__name__ == "Fragile"
    assert channel_class("slack") is Slack
    with pytest.raises(UnknownTypeError):
        channel_class("function")


@pytest.mark.parametrize("unknown", ["nothing", "", "slack.py", "../slack", "os", "email.smtp"])
def test_a_type_that_does_not_exist_is_refused(unknown: str) -> None:
    """Only the name of a channel finds one."""
    with pytest.raises(UnknownTypeError):
        channel_class(unknown)
