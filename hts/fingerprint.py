"""What two sets of settings are told apart by."""

import hashlib
import json
from typing import Any


def fingerprint(content: Any) -> str:
    """Return 12 hexadecimal digits that identify a JSON-serialisable object, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
