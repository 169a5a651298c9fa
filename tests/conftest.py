"""Shared by all tests."""

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

# Annotations of the library, shapes and dtypes included, are checked on every call while tests run. An int may stand
# for a float, as everywhere in Python's typing (PEP 484).
check_types = beartype(conf=BeartypeConf(is_pep484_tower=True))
install_import_hook("tuner", f"{__name__}.check_types")
