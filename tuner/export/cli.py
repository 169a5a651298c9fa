"""`tuner export`: a .tnr file for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from tuner.codec.decode import load
from tuner.errors import ConfigError
from tuner.files import write_whole
from tuner.representation import Representation
from tuner.terminal import errors_in_one_line

SUFFIXES = (".safetensors", ".onnx", ".py")


def export(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A .tnr file.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="A name that ends in .safetensors, .onnx or .py, a module for PyTorch."),
    ],
) -> None:
    """Write the network of a .tnr file for other programs."""
    with errors_in_one_line():
        write_whole(output, exported(load(source), output.suffix))


def exported(representation: Representation, suffix: str) -> bytes:
    """The representation in the format of a suffix.

    Args:
        representation: the representation to write.
        suffix: one of `SUFFIXES`.

    Returns:
        The file.

    Raises:
        ConfigError: if the suffix is not known, or the package that it needs is not installed.
    """
    try:
        if suffix == ".safetensors":
            from tuner.export.tensors import to_safetensors

            return to_safetensors(representation)
        if suffix == ".onnx":
            from tuner.export.onnx_model import to_onnx

            return to_onnx(representation)
        if suffix == ".py":
            from tuner.export.torch_module import to_torch_module

            return to_torch_module(representation).encode()
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error.name} is not installed: pip install 'tuner-neural[export]'") from error
    raise ConfigError(f"the output ends in {suffix or 'nothing'!r}, expected one of {', '.join(SUFFIXES)}")
