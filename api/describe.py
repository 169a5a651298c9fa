"""`python -m api.describe`: write the OpenAPI document to `api/openapi.json`.

The file is what clients are generated from and what reviewers see change; a test holds it to the routes.
"""

import json
from pathlib import Path
from typing import Any

from api.main import build_app
from api.settings import ApiSettings
from store.settings import StoreSettings

DOCUMENT = Path(__file__).with_name("openapi.json")


def document() -> dict[str, Any]:
    """The document of an application that never starts; no setting changes it."""
    nowhere = {"database_url": "postgresql+psycopg://", "broker_url": "redis://", "s3_bucket": "none"}
    store = StoreSettings.model_validate(nowhere | {"s3_access_key": "", "s3_secret_key": ""})
    return build_app(ApiSettings(), store).openapi()


def as_text(described: dict[str, Any]) -> str:
    """As it is written down."""
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(as_text(document()))
