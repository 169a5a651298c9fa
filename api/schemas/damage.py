"""What a client sees of an object that the service knows to be damaged or missing, and what brings it back."""

from typing import Literal, Self

from pydantic import BaseModel, Field

SIGNAL_ADVICE = "upload the same file again, which restores them"
RESULT_ADVICE = "POST /fits/{id}/retry makes them again from the signal, in a new fit"


class Damage(BaseModel):
    """What the last comparison of the row with its object found."""

    code: Literal["blob_missing", "blob_damaged"]
    message: str = Field(description="what has happened and what brings the bytes back")

    @classmethod
    def of(cls, code: str | None, advice: str) -> Self | None:
        """From a row; None if nothing is known to be wrong."""
        if code is None:
            return None
        state = "missing in storage" if code == "blob_missing" else "damaged in storage"
        return cls.model_validate({"code": code, "message": f"the stored bytes are {state}: {advice}"})
