"""Every table, for whoever needs them all at once: the migrations, and tests that empty them."""

from store import (
    models_deleted,
    models_keys,
    models_parts,
    models_renders,
    models_scrub,
    models_turns,
    models_webhooks,
    models_workers,
)
from store.models import Base

__all__ = [
    "metadata",
    "models_deleted",
    "models_keys",
    "models_parts",
    "models_renders",
    "models_scrub",
    "models_turns",
    "models_webhooks",
    "models_workers",
]

metadata = Base.metadata
