"""The command `tuner`, also `python -m tuner`."""

from tuner.interrupts import ended_at_once


def main() -> None:
    """Run the command.

    Raises:
        SystemExit: always, with the exit status.
    """
    with ended_at_once("tuner"):
        from tuner.cli import app
    app()


if __name__ == "__main__":
    main()
