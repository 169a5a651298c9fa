"""What its neighbours say of a pixel that is held out, without any network: a figure to hold those of networks against.

    python -m benchmarks.interpolated KODAK -o benchmarks/results/kodak

Every picture is cropped and 5 % of its pixels are held out exactly as `tuner paper` does it; a biharmonic surface
through all others, channel by channel (`skimage.restoration.inpaint_biharmonic`), gives those held out. Unlike a
network it has no error on the pixels that it knows, and no limit of weights. Half a minute for 24 pictures. Writes
`interpolated.json`: PSNR in dB by the name of the picture.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from skimage.restoration import inpaint_biharmonic

from tuner.decibels import mse_to_psnr_db
from tuner.experiment.paper import HELD_OUT, HELD_OUT_SEED, PERIOD
from tuner.experiment.samples import Samples, centre_crop
from tuner.signal.image import read_image
from tuner.signal.signal import Signal

INTERPOLATED = "interpolated.json"
SIZE = 512


def interpolated_psnr_db(signal: Signal) -> float:
    """Quality in dB of the pixels that are held out, as a biharmonic surface through the others gives them."""
    unseen = Samples.of(signal, PERIOD, held_out=HELD_OUT, seed=HELD_OUT_SEED).held_out_P.reshape(signal.grid_shape)
    values = signal.values.astype(np.float64)
    known = np.where(unseen[..., None], 0.0, values)
    found = inpaint_biharmonic(known, unseen, channel_axis=-1, split_into_regions=True)
    return mse_to_psnr_db(float(np.mean((found - values)[unseen] ** 2)))


def main() -> None:
    """Interpolate the pictures of a folder, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of PNG pictures, none smaller than the crop")
    parser.add_argument("-o", "--out", type=Path, default=Path("paper"), help="folder of the results")
    options = parser.parse_args()
    found = {}
    for path in sorted(options.folder.glob("*.png")):
        found[path.stem] = round(interpolated_psnr_db(centre_crop(read_image(path), SIZE)), 3)
        print(path.stem, found[path.stem], flush=True)  # noqa: T201
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / INTERPOLATED).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
