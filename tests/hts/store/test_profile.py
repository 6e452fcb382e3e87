"""Making and finding the profile, in a temporary configuration folder."""

from pathlib import Path
from typing import Any

import pytest
from aiida.manage import get_manager
from aiida.manage.configuration import get_config
from aiida.orm import Int

from hts.errors import UserError
from hts.store import profile


def test_create_is_idempotent_and_usable(hts_profile: str) -> None:
    assert profile.create(hts_profile) is False
    assert profile.load().name == "hts"
    assert Int(1).store().is_stored
    config = get_config()
    assert config.default_profile_name == "hts"
    assert config.get_option("daemon.timeout", scope="hts") == 20
    assert config.get_profile("hts").process_control_backend == "core.zeromq"


def test_another_default_is_kept_but_hts_is_loaded(hts_profile: str) -> None:
    profile.create("other")
    get_config().set_default_profile("other", overwrite=True)
    profile.delete("hts")
    profile.create("hts")
    assert get_config().default_profile_name == "other"
    assert profile.load().name == "hts"
    assert profile.load("other").name == "other"
    profile.delete("hts")
    assert profile.load().name == "other"
    profile.create("hts")
    profile.load("hts")


def test_a_missing_profile_is_named_with_those_that_exist(hts_profile: str) -> None:
    with pytest.raises(UserError, match=r"profile 'x' not found .*there are: hts; run `hts setup`"):
        profile.load("x")


def test_no_profile_at_all(aiida_config_tmp: Any) -> None:
    with pytest.raises(UserError, match=r"no AiiDA profile in .*run `hts setup`"):
        profile.load()
    with pytest.raises(UserError, match="there are none; run `hts setup`"):
        profile.load("hts")


@pytest.mark.parametrize("name", ["", "a b", "a;rm", "-p", "../x", "a\nb"])
def test_names_that_would_reach_a_shell_are_refused(aiida_config_tmp: Any, name: str) -> None:
    with pytest.raises(UserError, match="choose another"):
        profile.create(name)
    assert profile.profile_names() == []


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_nothing_half_made_is_left(
    aiida_config_tmp: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """The last step, writing the options, fails once the storage and the user exist."""

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(type(aiida_config_tmp), "set_option", fail)
    with pytest.raises((UserError, KeyboardInterrupt)):
        profile.create("hts")
    assert profile.profile_names() == []
    assert get_config().default_profile_name != "hts"
    assert list((Path(aiida_config_tmp.dirpath) / "repository").glob("*")) == []


def test_a_storage_that_is_gone_is_one_line(hts_profile: str) -> None:
    manager = get_manager()
    manager.reset_profile()
    folder = Path(get_config().get_profile("hts").storage_config["filepath"])
    folder.rename(folder.with_name("moved"))
    with pytest.raises(UserError, match="profile 'hts' cannot be opened") as raised:
        profile.load("hts")
    assert "\n" not in str(raised.value)
