"""The commands `tuner experiment` and `tuner paper`. Torch is imported when one of them runs, not before."""

import json
from contextlib import ContextDecorator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuner.decibels import in_decibels
from tuner.errors import ConfigError
from tuner.experiment.named import built_in, find_experiment

if TYPE_CHECKING:
    from tuner.experiment.paper import Cell
    from tuner.experiment.training import Measurement

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"}


def add_commands(app: typer.Typer, errors: ContextDecorator) -> None:
    """Give the command line its experiments.

    Args:
        app: the command line.
        errors: context within which a command runs, so that what is wrong is said as the other commands say it.
    """
    for command in (experiment, paper):
        app.command()(errors(command))


def experiment(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG",
            help=f"A YAML file, or the name of a configuration of the package: {', '.join(built_in())}.",
            parser=find_experiment,
            show_default=False,
        ),
    ],
    image: Annotated[
        Path | None,
        typer.Option(help="The picture, instead of the file's; those of the package have a sample picture."),
    ] = None,
    mesh: Annotated[Path | None, typer.Option(help="A mesh (OBJ, PLY, STL), instead of the file's picture.")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder in which run folders are made.")] = Path("runs"),
    size: Annotated[int | None, typer.Option(help="Side of the central crop in pixels, instead of the file's.")] = None,
    resolution: Annotated[
        int | None, typer.Option(help="Samples along the longest side of a mesh's grid of distances.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of training, instead of the file's.")] = None,
    pictures_every: Annotated[
        int | None, typer.Option(help="Steps from one picture of the prediction to the next while it trains.")
    ] = None,
    prune: Annotated[
        float | None,
        typer.Option(help="Share of the columns of hidden layers that is pruned after an eighth of the steps."),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option(help="Stop where samples that are not learnt from get no better, and keep the best network."),
    ] = False,
) -> None:
    """Train one network as a YAML file says, and write a folder with everything about it."""
    _expect_torch()
    from tuner.experiment.config import read_experiment
    from tuner.experiment.pruning import PruningConfig
    from tuner.experiment.run import run_experiment
    from tuner.experiment.training import ADAM_WATCH

    if image is not None and mesh is not None:
        raise ConfigError(f"--image is {image} and --mesh is {mesh}, expected one of them")
    wanted = read_experiment(config)
    changes: dict[str, Any] = {"size": size, "resolution": resolution, "pictures_every": pictures_every}
    changes = {name: value for name, value in changes.items() if value is not None}
    if image is not None:
        changes |= {"image": str(image), "mesh": None}
    if mesh is not None:
        changes |= {"image": None, "mesh": str(mesh), "size": size}
    wanted = replace(wanted, **changes)
    recipe = wanted.training
    if steps is not None:
        recipe = replace(recipe, steps=steps)
    if prune is not None:
        recipe = replace(recipe, prune=replace(recipe.prune or PruningConfig(), share=prune))
    if watch:
        recipe = replace(recipe, watch=recipe.watch or ADAM_WATCH)
    folder = run_experiment(replace(wanted, training=recipe), out, on_measure=_show)
    _show_end(json.loads((folder / "summary.json").read_text()))
    typer.echo(folder)


def paper(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of pictures.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of results.jsonl, table.md and table.csv.")] = Path(
        "paper"
    ),
    table: Annotated[
        str, typer.Option(help="kodak (416/416) or div2k (256/256); the options below change it.")
    ] = "kodak",
    methods: Annotated[str | None, typer.Option(help="Comma-separated names of methods and regimes.")] = None,
    images: Annotated[str | None, typer.Option(help="Comma-separated names of pictures, or how many.")] = None,
    size: Annotated[int | None, typer.Option(help="Side of the central crop in pixels.")] = None,
    weights: Annotated[int | None, typer.Option(help="Weights that no network exceeds.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of Adam.")] = None,
    batch: Annotated[int | None, typer.Option(help="Samples in a step.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Number of seeds.")] = None,
    band_limit: Annotated[float | None, typer.Option(help="TUNER's largest frequency, as a share of Nyquist.")] = None,
    low_limit: Annotated[
        float | None, typer.Option(help="TUNER's box of low frequencies, as a share of Nyquist.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Seconds of the processor for the library's own trainer on a picture.")
    ] = None,
    prior: Annotated[
        float | None, typer.Option(help="Strength of that trainer's prior on the weights, 1 for the most likely one.")
    ] = None,
    coarse_steps: Annotated[
        int | None, typer.Option(help="Steps on each coarser version of a picture with which that trainer begins.")
    ] = None,
    lead: Annotated[
        float | None,
        typer.Option(help="Lead in dB of the pixels learnt from over watched ones at which that trainer stops."),
    ] = None,
    search: Annotated[
        bool, typer.Option(help="Search the learning rate of each method, too, on the first picture.")
    ] = False,
) -> None:
    """Rerun a table of the paper on any pictures, within any budget; interrupted, it goes on where it was."""
    _expect_torch()
    from tuner.experiment.paper import PAPER_TABLES, run_paper
    from tuner.experiment.tables import as_csv, markdown
    from tuner.signal.image import read_image

    if table not in PAPER_TABLES:
        raise ConfigError(f"the table is {table!r}, expected one of {', '.join(PAPER_TABLES)}")
    changes: dict[str, float | None] = {
        "size": size,
        "weights": weights,
        "steps": steps,
        "batch_samples": batch,
        "seeds": seeds,
        "seconds": seconds,
        "lead_db": lead,
        "prior": prior,
        "coarse_steps": coarse_steps,
    }
    changes |= {"band_limit": band_limit, "low_limit": low_limit}
    changes = {name: value for name, value in changes.items() if value is not None}
    config = replace(PAPER_TABLES[table], search=search, **changes)  # type: ignore[arg-type]
    if methods is not None:
        config = replace(config, methods=tuple(methods.split(",")))
    out.mkdir(parents=True, exist_ok=True)
    pictures = [(path.stem, lambda path=path: read_image(path)) for path in _pictures(folder, images)]
    cells = run_paper(pictures, config, out / "results.jsonl", on_cell=_show_cell)
    (out / "table.md").write_text(markdown(cells))
    (out / "table.csv").write_text(as_csv(cells))
    typer.echo(markdown(cells), nl=False)


def _expect_torch() -> None:
    if find_spec("torch") is None:
        raise ConfigError("experiments need torch: pip install 'tuner-neural[experiment]'")


def _pictures(folder: Path, images: str | None) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    if images is None or not found:
        return found
    by_name = {path.stem: path for path in found}
    if images.isdigit() and images not in by_name:  # pictures may be named 00, 01, ...
        return found[: int(images)]
    missing = [name for name in images.split(",") if name not in by_name]
    if missing:
        raise ConfigError(f"{folder} has no picture named {', '.join(missing)}, expected one of {', '.join(by_name)}")
    return [by_name[name] for name in images.split(",")]


def _show(measured: "Measurement") -> None:
    test = "" if measured.test_psnr_db is None else f", held out {in_decibels(measured.test_psnr_db)}"
    slope = "" if measured.gradient_psnr_db is None else f", gradient {in_decibels(measured.gradient_psnr_db)}"
    if measured.authors_gradient_psnr_db is not None:
        slope += f" ({in_decibels(measured.authors_gradient_psnr_db)} as the authors measure it)"
    surface = "" if measured.iou is None else f", insides overlap by {100 * measured.iou:.1f} %"
    if measured.normal_error_degrees is not None:
        surface += f", normals off by {measured.normal_error_degrees:.1f} degrees"
    typer.echo(f"step {measured.step}: {in_decibels(measured.train_psnr_db)}{test}{slope}{surface}", err=True)


def _show_end(summary: dict[str, Any]) -> None:
    """What happened beside the training, in a line for each."""
    if summary.get("best_step") is not None:
        early = summary["taken_steps"] < summary["asked_steps"]
        typer.echo(
            f"watched samples: {'stopped' if early else 'went on until'} after {summary['taken_steps']} of "
            f"{summary['asked_steps']} steps, kept the network of step {summary['best_step']}, "
            f"{in_decibels(summary['watched_psnr_db'])} there",
            err=True,
        )
    elif "asked_steps" in summary:
        typer.echo("watched samples: measured at no step, so the last network is kept", err=True)
    if "space_saving" in summary:
        typer.echo(
            f"pruned: {summary['weights_left']} of {summary['weights']} weights are left, "
            f"{100 * summary['space_saving']:.1f} % less",
            err=True,
        )
    if summary.get("chamfer") is not None:
        typer.echo(f"chamfer distance: {summary['chamfer']:.4g} in units of the mesh", err=True)
    elif "chamfer" in summary:
        typer.echo("chamfer distance: none, since the network has no surface", err=True)


def _show_cell(cell: "Cell") -> None:
    quality = "diverged" if cell.test_psnr_db is None else f"held out {in_decibels(cell.test_psnr_db)}"
    typer.echo(f"{cell.image} {cell.method} seed {cell.seed} rate {cell.rate:g}: {quality}", err=True)
