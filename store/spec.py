"""What a user may ask of a fit: the JSON in the row `fits.spec`, and the body of `POST /fits`.

The worker turns it into the library's own configuration (`worker/translate.py`); a field left out means "the preset
decides". Versioned, because rows outlive deployments.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Spec(BaseModel):
    # Strict: "5" is no number, nor is true, whatever Python says.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NetworkSpec(_Spec):
    """Expert options of the network; see the method's notation in parentheses."""

    frequencies: Annotated[int, Field(ge=4, le=4096)] | None = Field(default=None, description="input frequencies (m)")
    hidden: Annotated[tuple[Annotated[int, Field(ge=4, le=4096)], ...], Field(min_length=1, max_length=4)] | None = (
        Field(default=None, strict=False, description="width of each hidden layer (n)")  # JSON has lists for tuples
    )
    period: Annotated[float, Field(gt=2, le=64)] | None = Field(
        default=None, description="period (p) in units where the domain has length 2"
    )
    bound_low: Annotated[float, Field(gt=0, le=10)] | None = Field(
        default=None, description="largest hidden weight on a low frequency (c_low)"
    )
    bound_high: Annotated[float, Field(gt=0, le=10)] | None = Field(
        default=None, description="largest hidden weight on a high frequency (c_high)"
    )


class CodecSpec(_Spec):
    """Options of the compressed file."""

    max_loss_db: Annotated[float, Field(ge=0.001, le=10)] = Field(
        default=0.1, description="PSNR that quantisation may cost, in dB"
    )


class FitSpec(_Spec):
    """One fit request; the same request and seed on the same CPU give the same bytes."""

    version: Literal[1] = 1
    effort: Literal["fast", "balanced", "best"] = Field(default="balanced", description="how long the preset may train")
    target_psnr_db: Annotated[float, Field(gt=0, le=120)] | None = Field(
        default=None, description="stop as soon as this quality is reached, in dB"
    )
    max_seconds: Annotated[float, Field(gt=0, le=86_400)] | None = Field(
        default=None, description="stop after this much training time"
    )
    max_steps: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="stop after this many training steps"
    )
    max_run_seconds: Annotated[float, Field(gt=0, le=604_800)] | None = Field(
        default=None, description="fail when workers have held it for so long, all attempts together"
    )
    max_queue_seconds: Annotated[float, Field(gt=0, le=2_592_000)] | None = Field(
        default=None, description="expire when no worker has taken it within this time since it was last queued"
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    network: NetworkSpec = NetworkSpec()
    codec: CodecSpec = CodecSpec()
