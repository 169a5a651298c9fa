"""What a fit is expected to come to, before it is asked for."""

from pydantic import BaseModel, ConfigDict, Field


class EstimateView(BaseModel):
    """An estimate; nothing was stored, and nothing will run."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "weights": 60_213,
                "bytes": 40_000,
                "bits_per_sample": 1.2207,
                "psnr_db": 28.4,
                "steps": 100,
                "seconds": 41.5,
                "unforeseen": None,
                "speed_is_measured": True,
            }
        }
    )

    weights: int = Field(description="number of weights of the network, without its frozen frequencies")
    bytes: int | None = Field(description="expected size of the file in bytes; null if nobody can say")
    bits_per_sample: float | None = Field(
        description="expected bits of the file per sample, all channels together; null if nobody can say"
    )
    psnr_db: float | None = Field(description="expected PSNR of the file, in dB; null if nobody can say")
    steps: int = Field(description="number of training steps")
    seconds: float = Field(
        description="expected seconds from the start on a worker to the file, without the time in the queue"
    )
    unforeseen: str | None = Field(
        default=None,
        description="why there is neither size nor quality, in a sentence: no file is so small or so good, or all "
        "samples but some come back as they were; null if there are",
    )
    speed_is_measured: bool = Field(description="whether the seconds go by what earlier fits took on these workers")
