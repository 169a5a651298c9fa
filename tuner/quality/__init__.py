"""How good a reproduction is, in the measures of pictures, sounds and surfaces; PSNR and SNR are in `tuner.metrics`."""
