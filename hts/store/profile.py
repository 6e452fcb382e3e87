"""The AiiDA profile that hts works in: SQLite storage and a ZeroMQ broker, so that no service has to be installed."""

import contextlib
import re
import shutil
import sqlite3
import uuid
from pathlib import Path

from aiida.common.exceptions import ConfigurationError, StorageMigrationError
from aiida.manage import get_manager
from aiida.manage.configuration import Profile, create_profile, get_config, load_profile
from aiida.manage.configuration.config import Config
from aiida.manage.configuration.settings import AiiDAConfigDir
from aiida.plugins import BrokerFactory

from hts.errors import UserError

PROFILE_NAME = "hts"
STORAGE_BACKEND = "core.sqlite_dos"
BROKER_BACKEND = "core.zeromq"

# The daemon puts the profile's name unquoted on command lines.
_NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

OPTIONS: dict[str, int | bool] = {
    "daemon.timeout": 20,  # seconds; AiiDA's 2 are too few for a machine that is computing
    "daemon.default_workers": 1,
    "runner.poll.interval": 1,  # seconds; how soon a parent notices that its child has ended
    "transport.task_retry_initial_interval": 2,  # seconds; on a local transport waiting longer mends nothing
    "warnings.showdeprecations": False,
}


def load(profile: str | None = None) -> Profile:
    """Load the AiiDA profile to work in, with its storage.

    Parameters
    ----------
    profile
        Name given by the user. When None: the profile `hts` if it exists, else AiiDA's default.

    Returns
    -------
    Profile
        The loaded profile.

    Raises
    ------
    UserError
        If there is no such profile, no profile at all, or its storage cannot be opened.
    """
    names = profile_names()
    name = profile or (PROFILE_NAME if PROFILE_NAME in names else _default_name())
    if name is None:
        raise UserError(f"no AiiDA profile in {AiiDAConfigDir.get()}, one was wanted; run `hts setup`")
    if name not in names:
        there_are = f"there are: {', '.join(names)}" if names else "there are none"
        raise UserError(f"profile {name!r} not found in {AiiDAConfigDir.get()}; {there_are}; run `hts setup`")
    loaded = load_profile(name, allow_switch=True)
    try:
        get_manager().get_profile_storage()
    except (ConfigurationError, OSError) as error:  # every error of opening a storage derives from the first
        line = " ".join(str(error).split())
        raise UserError(f"profile {name!r} cannot be opened: {line}; see `verdi -p {name} status`") from error
    return loaded


def create(profile_name: str = PROFILE_NAME) -> bool:
    """Make the profile unless it exists; nothing is left behind when that fails or is interrupted.

    It becomes AiiDA's default only where there is no default yet.

    Parameters
    ----------
    profile_name
        Letters, digits, `_`, `.` and `-`.

    Returns
    -------
    bool
        True if it was made, False if it was there already (it is then left as it is).

    Raises
    ------
    UserError
        If the name has other characters, or the storage cannot be made.
    """
    if not _NAME_PATTERN.fullmatch(profile_name):
        raise UserError(
            f"profile name {profile_name!r} found, only letters, digits, `_`, `.`, `-` work; choose another"
        )
    config = get_config(create=True)
    if profile_name in config.profile_names:
        return False
    storage = Path(config.dirpath) / "repository" / f"{profile_name}-{uuid.uuid4()}"
    complete = False
    try:
        _create(config, profile_name, storage)
        complete = True
    except (StorageMigrationError, OSError) as error:
        line = " ".join(str(error).split())
        raise UserError(f"profile {profile_name!r} could not be made in {config.dirpath}: {line}") from error
    finally:
        if not complete:
            _remove(config, profile_name, storage)
    return True


def delete(profile_name: str) -> None:
    """Delete a profile with all its data; for a set-up that failed half-way, never for one that has results.

    Raises
    ------
    aiida.common.exceptions.ProfileConfigurationError
        If there is no such profile.
    """
    config = get_config()
    storage = Path(config.get_profile(profile_name).storage_config["filepath"])
    _remove(config, profile_name, storage)


def profile_names() -> list[str]:
    """Return the names of all profiles, sorted; empty where AiiDA was never set up."""
    try:
        return sorted(get_config().profile_names)
    except ConfigurationError:
        return []


def _default_name() -> str | None:
    try:
        config = get_config()
    except ConfigurationError:
        return None
    name: str | None = config.default_profile_name
    return name if name in config.profile_names else None


def _create(config: Config, profile_name: str, storage: Path) -> None:
    create_profile(
        config,
        name=profile_name,
        email=config.get_option("autofill.user.email") or "hts@localhost",
        storage_backend=STORAGE_BACKEND,
        storage_config={"filepath": str(storage)},
        broker_backend=BROKER_BACKEND,
        broker_config=BrokerFactory(BROKER_BACKEND).get_default_config(),
    )
    _use_write_ahead_log(storage)
    for option, value in OPTIONS.items():
        config.set_option(option, value, scope=profile_name)
    # A default that names no profile (deleted by hand) is none.
    config.set_default_profile(profile_name, overwrite=_default_name() is None)
    config.store()


def _use_write_ahead_log(storage: Path) -> None:
    """Switch the database to SQLite's write-ahead log; the mode is kept in the file.

    Every step of every process is a commit. With the default journal each waits for several writes to reach the disk,
    which took most of the daemon's time; with the log it is one, and readers such as `hts status` don't block writers.
    """
    with contextlib.closing(sqlite3.connect(storage / "database.sqlite")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _remove(config: Config, profile_name: str, storage: Path) -> None:
    manager = get_manager()
    loaded = manager.get_profile()
    if loaded is not None and loaded.name == profile_name:
        manager.unload_profile()
    if profile_name in config.profile_names:
        config.remove_profile(profile_name)
        if config.default_profile_name == profile_name:
            remaining = config.profile_names
            # AiiDA's configuration has no call that unsets the default.
            config._default_profile = remaining[0] if remaining else None
        config.store()
    shutil.rmtree(storage, ignore_errors=True)
