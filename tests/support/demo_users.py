"""Reads the keys of the demo users where the service prints them: in its output at the first start."""

import re

_LINE = re.compile(r"^\s+demo-(free|premium|enterprise)\s+(streamapi_[\w-]+)$", re.MULTILINE)


def demo_keys(output: str) -> dict[str, str]:
    """Return the API keys by tier; empty if none were printed."""
    return dict(_LINE.findall(output))
