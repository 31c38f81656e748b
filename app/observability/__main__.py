"""`python -m app.observability`: the command line for ops."""

import sys


def run() -> None:
    """Start the command line, or say what it needs."""
    try:
        from .ops.cli import main
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        sys.exit("The command line needs the package typer: pip install typer")
    main()


if __name__ == "__main__":
    run()
