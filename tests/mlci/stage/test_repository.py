"""Files of the repository, and what leads out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlci.stage.repository import CheckedRepository, OutsideRepository, Repository


@pytest.mark.parametrize("kind", [Repository, CheckedRepository])
def test_a_link_that_leads_out_is_refused_each_time(kind: type[Repository], tmp_path: Path) -> None:
    root = tmp_path / "repository"
    root.mkdir()
    (root / "inside.py").write_text("")
    (root / "outside.py").symlink_to(tmp_path)
    repository = kind(root, root)
    for _ in range(2):
        assert repository.find("inside.py") == root / "inside.py"
        with pytest.raises(OutsideRepository, match="symbolic link"):
            repository.find("outside.py")
