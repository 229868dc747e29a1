"""What a server keeps in its data folder: the lock, and the journal of what moto was asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlci_emulator.errors import ConfigurationError
from mlci_emulator.server.data_folder import DataFolder
from mlci_emulator.server.moto_services.journal import Journal, JournalEntry, new_entry

ASKED = {"REQUEST_METHOD": "POST", "HTTP_X_AMZ_TARGET": "AmazonSSM.PutParameter", "wsgi.input": object()}


def test_a_folder_has_one_owner_at_a_time(tmp_path: Path) -> None:
    first = DataFolder(tmp_path / "data")
    with pytest.raises(ConfigurationError, match="another mlci serve"):
        DataFolder(tmp_path / "data")
    first.close()
    DataFolder(tmp_path / "data").close()


def test_a_folder_that_cannot_be_made_is_a_wrong_option(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be the data folder"):
        DataFolder(tmp_path / "file")


def test_the_journal_gives_back_what_it_got(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "moto" / "journal.jsonl")
    assert journal.is_empty()
    assert list(journal.entries()) == []
    made = [new_entry(ASKED, b"\x00\xff", 7), new_entry(ASKED, b"", 8)]
    for one in made:
        journal.append(one)
    assert list(Journal(tmp_path / "moto" / "journal.jsonl").entries()) == made
    assert made[0].environ == {"REQUEST_METHOD": "POST", "HTTP_X_AMZ_TARGET": "AmazonSSM.PutParameter"}


def test_the_journal_is_for_its_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    Journal(file).append(new_entry(ASKED, b"a secret", 1))
    assert file.stat().st_mode & 0o077 == 0


def test_half_a_line_of_a_killed_server_is_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    Journal(file).append(JournalEntry({"A": "1"}, b"x", 1))
    with file.open("ab") as stream:
        stream.write(b'{"environ": {"A"')
    assert [kept.seed for kept in Journal(file).entries()] == [1]
    Journal(file).append(JournalEntry({"A": "2"}, b"y", 2))
    assert [kept.seed for kept in Journal(file).entries()] == [1, 2]
