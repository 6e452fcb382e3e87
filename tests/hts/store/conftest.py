"""A profile as `hts setup` makes it, with the daemon that belongs to it, in a temporary folder."""

from collections.abc import Iterator
from typing import Any

import pytest
from aiida.manage import get_manager

from hts.store import codes, daemon, profile


@pytest.fixture
def hts_profile(aiida_config_tmp: Any) -> Iterator[str]:
    """Load a fresh profile `hts` with its computer; afterwards its daemon is stopped and the old profile is back."""
    manager = get_manager()
    before = manager.get_profile()
    profile.create(profile.PROFILE_NAME)
    profile.load(profile.PROFILE_NAME)
    codes.setup_computer()
    yield profile.PROFILE_NAME
    daemon.stop()
    manager.load_profile(before, allow_switch=True)
