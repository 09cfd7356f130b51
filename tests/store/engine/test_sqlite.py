"""SQLite alone: one process has the file, by every name of it."""

from pathlib import Path

import pytest

from assistance.store import StoreRefusedError, open_store


def test_a_file_in_use_is_refused_by_every_name_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """By a link to it, and by a path from elsewhere."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.db").symlink_to("a.db")
    store = open_store("sqlite:///a.db")
    for name in ("a.db", f"{tmp_path}/a.db", "link.db"):
        with pytest.raises(StoreRefusedError, match="in use"):
            open_store(f"sqlite:///{name}")
    store.close()


@pytest.mark.parametrize("name", ["", "/", ".", "a.db?timeout=30", "a?b.db"])
def test_an_address_that_is_no_files_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Before anything is created; what follows a question mark is no part of a file's name."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreRefusedError, match="path of a file"):
        open_store(f"sqlite:///{name}")
    assert list(tmp_path.iterdir()) == []
