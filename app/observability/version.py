"""Name and version under which the module reports: in releases, as server, as source of feedback, in names of folders.

A service that embeds a copy of this folder writes its own two values here, and nowhere else.
"""

PACKAGE = "streamapi"
__version__ = "1.0.0"
