"""A large signal as many networks of wavelets, each on a tile of the grid; tiles overlap and are blended."""
