"""Configurations that come with the package, found by their names; torch is not imported to find one."""

from pathlib import Path


def built_in() -> dict[str, Path]:
    """The files of the configurations, by name."""
    return {path.stem: path for path in sorted((Path(__file__).parent / "configs").glob("*.yaml"))}


def find_experiment(name: str) -> Path:
    """The file that somebody means: the one at that path, or else the configuration of that name.

    Args:
        name: path of a YAML file, or the name of a configuration, with or without `.yaml`.

    Returns:
        The path of the file; if there is neither, the path as it was given.
    """
    path = Path(name)
    return path if path.exists() else built_in().get(name.removesuffix(".yaml"), path)
