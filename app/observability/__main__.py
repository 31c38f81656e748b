"""`python -m app.observability`: the command line for ops."""

import sys


def run() -> None:
    """Start the command line, or say in one sentence which package it lacks."""
    own = (__package__ or "observability").partition(".")[0]
    try:
        from .ops.cli import main
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or missing == own:
            raise
        sys.exit(f"The command line needs the package {missing}: pip install {missing}")
    main()


if __name__ == "__main__":
    run()
