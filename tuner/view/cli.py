"""`tuner view`: a .tnr file in the browser, or as a page for others."""

import webbrowser
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated

import typer

from tuner.codec.decode import load
from tuner.files import write_whole
from tuner.terminal import errors_in_one_line
from tuner.view.page import page


def view(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A .tnr file.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The .html file to write; without one, a temporary file is opened."),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page, or only say where it is.")
    ] = True,
) -> None:
    """Show a .tnr file in the browser: one page with the decoder inside, which works offline and can be passed on."""
    with errors_in_one_line():
        load(source)  # all that is wrong is said here, not in a page
        written = page(source.read_bytes(), source.name).encode()
        if output is not None:
            write_whole(output, written)
            typer.echo(f"{output}: {len(written)} bytes")
            return
        shown = Path(mkdtemp(prefix="tuner-view-")) / f"{source.stem}.html"
        write_whole(shown, written)
        typer.echo(str(shown))
        if browser and not webbrowser.open(shown.as_uri()):
            typer.echo("tuner: no browser was found: open the file above in one", err=True)
