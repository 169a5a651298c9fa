"""The command `tunerd`, also `python -m standalone`: where its libraries are not installed, it says so in one line."""

import sys

EXTRA = "standalone"


def main() -> None:
    """Run the command.

    Raises:
        SystemExit: always, with the exit status.
    """
    try:
        from tuner.interrupts import ended_at_once

        with ended_at_once("tunerd"):
            from standalone.cli import app
    except ModuleNotFoundError as error:
        sys.exit(missing(error))
    app()


def missing(error: ModuleNotFoundError) -> str:
    """What to tell somebody who has the command without the libraries behind it.

    Args:
        error: the error in which importing the libraries ended.
    """
    library = (error.name or str(error)).partition(".")[0]
    command = f"pip install -c constraints.txt -e . -e './service[{EXTRA}]'"
    return f"tunerd: {library} is missing: install the extra `{EXTRA}` in the checkout, {command}"


if __name__ == "__main__":
    main()
