"""The decoder core of `core/`, compiled to WebAssembly, and what runs it."""
