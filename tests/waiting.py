"""How tests wait for what another process does."""

import time
from collections.abc import Callable
from threading import Event


def wait_until(condition: Callable[[], bool], what: str, limit_seconds: float) -> None:
    """Return once the condition holds; fail with what was waited for if it doesn't in time."""
    deadline = time.monotonic() + limit_seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_seconds} s: {what}"
        Event().wait(0.05)
