"""One release for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from certified import Release, make_release


@pytest.fixture
def release(tmp_path: Path) -> Release:
    """A certified release with its ledger and key."""
    return make_release(tmp_path)
