"""The decoder core: freestanding C, compiled to one WebAssembly module that every host runs."""
