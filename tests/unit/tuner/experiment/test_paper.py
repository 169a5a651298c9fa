"""The tables: equal weights, a search for rates, cells that are never run twice."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.unit.tuner.experiment.worlds import picture
from tuner.cli import app
from tuner.errors import ConfigError
from tuner.experiment.commands import _pictures
from tuner.experiment.networks.registry import width_for
from tuner.experiment.paper import PAPER_TABLES, Cell, PaperConfig, read_cells, run_paper
from tuner.experiment.samples import centre_crop
from tuner.experiment.tables import as_csv, markdown
from tuner.signal.image import write_image

TINY = PaperConfig(methods=("tuner", "siren"), size=16, weights=300, steps=6, batch_samples=100, seeds=2)
PICTURES = [("first", partial(picture, 1)), ("second", partial(picture, 2))]


def test_every_cell_has_the_same_budget_and_is_run_once(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    run: list[Cell] = []
    cells = run_paper(PICTURES, TINY, results, on_cell=run.append)
    assert len(cells) == len(run) == 2 * 2 * 2
    assert all(250 < cell.trained_weights <= 300 and cell.steps == 6 for cell in cells)
    assert {cell.image for cell in cells} == {"first", "second"}
    assert all(cell.test_psnr_db is not None and cell.gradient_psnr_db is not None for cell in cells)

    run.clear()
    assert run_paper(PICTURES, TINY, results, on_cell=run.append) == cells
    assert not run
    more = run_paper(PICTURES, replace(TINY, seeds=3), results, on_cell=run.append)
    assert len(run) == 4
    assert [cell for cell in more if cell.seed < 2] == cells


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    cells = run_paper(PICTURES, TINY, results)
    lines = results.read_text().splitlines()
    results.write_text("\n".join(lines[:5]) + "\n" + lines[5][:40])  # cut off in the middle of a line
    run: list[Cell] = []
    again = run_paper(PICTURES, TINY, results, on_cell=run.append)
    assert len(run) == 3
    assert [replace(cell, seconds=0.0) for cell in again] == [replace(cell, seconds=0.0) for cell in cells]
    assert len(list(read_cells(results))) == 8


def test_the_search_climbs_from_the_published_rate(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    config = replace(TINY, methods=("siren",), steps=20, seeds=1, search=True)
    cells = run_paper(PICTURES, config, results)
    searched = {cell.rate: cell.test_psnr_db or 0.0 for cell in read_cells(results) if cell.image == "first"}
    assert {1e-4, 3e-4} <= set(searched)
    best = max(searched, key=searched.__getitem__)
    assert {cell.rate for cell in cells} == {1e-4, best}
    assert best > 1e-4, "twenty steps need a larger rate than twenty thousand"


def test_the_table_has_means_and_deviations_over_seeds() -> None:
    def cell(image: str, seed: int, quality: float | None, rate: float = 1e-4) -> Cell:
        return Cell(
            image=image, method="siren", seed=seed, rate=rate, size=16, weights=300, layers=2, steps=6,
            batch_samples=100, trained_weights=290, width=14, seconds=1.0, train_psnr_db=quality,
            test_psnr_db=quality, gradient_psnr_db=quality,
        )  # fmt: skip

    cells = [cell("a", 0, 20.0), cell("b", 0, 24.0), cell("a", 1, 22.0), cell("b", 1, 26.0), cell("a", 0, None, 1e-2)]
    table = markdown(cells)
    assert "| siren | 14 | 290 | 0.0001 (published) | 23.00 ± 1.41 | 23.00 ± 1.41 | 23.00 ± 1.41 | 1 |" in table
    assert "| 0.01 | 1 of 1 diverged |" in table
    assert as_csv(cells).splitlines()[0] == "method,width,weights,learning rate,train,held-out,gradient,seconds"


def test_the_papers_tables_have_its_widths() -> None:
    assert width_for("tuner", PAPER_TABLES["kodak"].weights, dimensions=2, channels=3) == 416
    assert width_for("tuner", PAPER_TABLES["div2k"].weights, dimensions=2, channels=3) == 256


def test_pictures_are_cropped_and_never_resized() -> None:
    """Defect 7: 768 x 512 pictures were squeezed into squares."""
    wide = picture(0, (20, 30))
    crop = centre_crop(wide, 16)
    np.testing.assert_array_equal(crop.values, wide.values[2:18, 7:23])
    assert centre_crop(wide, None) is wide
    with pytest.raises(ConfigError, match="20 x 30, expected at least 24 x 24"):
        centre_crop(wide, 24)


def test_the_command_writes_table_and_results(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, read in PICTURES:
        (folder / f"{name}.png").write_bytes(write_image(read()))
    (folder / "notes.txt").write_text("no picture")
    arguments = ["paper", str(folder), "-o", str(tmp_path / "out"), "--table", "div2k", "--methods", "train_bound,ffm"]
    arguments += ["--size", "16", "--weights", "300", "--steps", "3", "--seeds", "1", "--images", "second"]
    outcome = CliRunner().invoke(app, arguments)
    assert outcome.exit_code == 0, outcome.output
    lines = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert [(line["image"], line["method"]) for line in lines] == [("second", "train_bound"), ("second", "ffm")]
    assert (tmp_path / "out" / "table.md").read_text().count("\n") == 4
    assert (tmp_path / "out" / "table.csv").exists()
    wrong = CliRunner().invoke(app, [*arguments[:-1], "third"])
    assert wrong.exit_code == 1
    assert "has no picture named third, expected one of first, second" in wrong.output
    misspelt = ["sirene" if word == "train_bound,ffm" else word for word in arguments]
    assert "expected one of tuner, siren" in CliRunner().invoke(app, misspelt).output


def test_a_picture_whose_name_is_a_number_is_found_by_it(tmp_path: Path) -> None:
    for name in ("00", "11"):
        (tmp_path / f"{name}.png").write_bytes(b"")
    assert [path.stem for path in _pictures(tmp_path, "11")] == ["11"]
    assert [path.stem for path in _pictures(tmp_path, "1")] == ["00"]  # a number of pictures


def test_pictures_of_both_sizes_and_modes_are_read(tmp_path: Path) -> None:
    Image.new("L", (20, 18), 100).save(tmp_path / "grey.png")
    outcome = CliRunner().invoke(
        app,
        ["paper", str(tmp_path), "-o", str(tmp_path / "out"), "--methods", "tuner", "--size", "16", "--weights", "200",
         "--steps", "2"],
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.output


def test_the_own_trainer_has_one_row_and_ranges_make_another_cell(tmp_path: Path) -> None:
    config = PaperConfig(
        methods=("tuner", "natural_gradient"), size=16, weights=300, steps=30, batch_samples=64, search=True
    )
    results = tmp_path / "results.jsonl"
    own = [cell for cell in run_paper(PICTURES[:1], config, results) if cell.method == "natural_gradient"]
    assert len(own) == 1
    assert own[0].test_psnr_db is not None
    assert own[0].watched_psnr_db is not None
    assert own[0].peak_watched_psnr_db is not None
    assert own[0].peak_watched_psnr_db - 0.1 <= own[0].watched_psnr_db <= own[0].peak_watched_psnr_db
    assert (own[0].best_step, own[0].taken_steps) == (2, 3)
    hurried = replace(config, methods=("natural_gradient",), steps=1000, search=False, seconds=1e-9)
    assert [cell.taken_steps for cell in run_paper(PICTURES[:1], hurried, results)] == [1]
    held_back = replace(config, methods=("natural_gradient",), steps=20, search=False, prior=30.0)
    free = replace(held_back, prior=0.0)
    (strong,), (none,) = (run_paper(PICTURES[:1], each, results) for each in (held_back, free))
    assert (strong.prior, none.prior) == (30.0, 0.0)
    assert strong.train_psnr_db is not None
    assert none.train_psnr_db is not None
    assert strong.train_psnr_db < none.train_psnr_db
    calm = replace(config, methods=("natural_gradient",), steps=1000, search=False, lead_db=0.05)
    (held,) = run_paper(PICTURES[:1], calm, results)
    assert (held.lead_limit_db, held.seconds_limit) == (0.05, None)
    assert held.taken_steps is not None
    assert held.taken_steps < 100, "it stops once the pixels that it learns from lead"
    assert held.watched_psnr_db is not None
    assert held.peak_watched_psnr_db is not None
    assert held.peak_watched_psnr_db >= held.watched_psnr_db
    ranged = replace(config, methods=("tuner", "siren"), search=False, band_limit=0.2)
    found = run_paper(PICTURES[:1], ranged, results)
    assert [cell.band_limit for cell in found] == [0.2, None]
    before = results.read_text()
    assert run_paper(PICTURES[:1], ranged, results) == found
    assert results.read_text() == before
