"""Word lists as they read best: plain text, one blank between words."""


def words(text: str) -> frozenset[str]:
    """Return the set of words in a text."""
    return frozenset(text.split())
