"""What a client sees of a representation: size, quality, and where to download it."""

from typing import Any, Self

from pydantic import BaseModel, Field

from api.schemas.damage import RESULT_ADVICE, Damage
from store.models import Representation

MEDIA_TYPE = "application/vnd.tuner.representation"
EXTENSION = ".tnr"


class ResultLinks(BaseModel):
    """Where to get it."""

    representation: str


class ResultView(BaseModel):
    """The compressed file that a fit ended in."""

    id: str
    bytes: int
    sha256: str = Field(description="SHA-256 of the compressed file, hexadecimal; also its ETag")
    media_type: str = MEDIA_TYPE
    psnr_db: float | None = Field(
        description="PSNR of the decoded file against the signal; 144.5 stands for no difference"
    )
    bits_per_sample: float | None = Field(description="bits of the file per sample, all channels together")
    facts: dict[str, Any] = Field(description="further facts that the worker noted: weights, format version …")
    damage: Damage | None = Field(description="what is wrong with the stored file; null if nothing is known to be")
    links: ResultLinks

    @classmethod
    def of(cls, representation: Representation) -> Self:
        """From a row."""
        return cls(
            id=representation.id,
            bytes=representation.byte_count,
            sha256=representation.sha256,
            psnr_db=representation.psnr_db,
            bits_per_sample=representation.facts.get("bits_per_sample"),
            facts=representation.facts,
            damage=Damage.of(representation.damage, RESULT_ADVICE.replace("{id}", representation.fit_id)),
            links=ResultLinks(representation=f"/fits/{representation.fit_id}/representation"),
        )
