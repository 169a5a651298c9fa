"""What the api and the worker both read and write: rows, objects, messages, and the settings to reach them."""
