"""What a user may ask of a fit: the JSON in the row `fits.spec`, and the body of `POST /fits`.

A fit is asked for by what it must come to, a quality, a largest error, a size or a time, and by a preset for the rest.
The worker turns it into the library's own request (`worker/translate.py`); a field left out means "the preset decides".
Versioned, because rows outlive deployments: what version 1 said is read as what version 2 says instead.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from store.errors import SpecInvalid, SpecNewer

VERSION = 2


class _Spec(BaseModel):
    # Strict: "5" is no number, nor is true, whatever Python says.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TargetSpec(_Spec):
    """What the result must meet: exactly one of these."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"psnr_db": 35}, {"bytes": 40_000}, {"seconds": 60}],
        }
    )

    psnr_db: Annotated[float, Field(gt=0, le=120)] | None = Field(
        default=None, description="quality at least, in dB; missed by at most 0.1, or the outcome says why"
    )
    max_error: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="largest difference of a sample, as a share of the range of values"
    )
    bytes: Annotated[int, Field(ge=1, le=2**40)] | None = Field(
        default=None, description="size of the file at most, never exceeded"
    )
    bits_per_sample: Annotated[float, Field(gt=0, le=1024)] | None = Field(
        default=None, description="bits of the file at most per sample, all channels together; never exceeded"
    )
    seconds: Annotated[float, Field(gt=0, le=86_400)] | None = Field(
        default=None, description="training time, for the best result that it allows"
    )

    @model_validator(mode="after")
    def _is_one(self) -> "TargetSpec":
        if len(self.asked()) != 1:
            raise ValueError(
                f"{len(self.asked())} targets, expected exactly one of {', '.join(type(self).model_fields)}"
            )
        return self

    def asked(self) -> dict[str, float]:
        """The one target and its value."""
        return {name: value for name, value in self if value is not None}


class NetworkSpec(_Spec):
    """Expert options of the network, with the symbols of arXiv 2407.21121. Sizes end the search for a good size."""

    kind: Literal["sines", "wavelets"] | None = Field(
        default=None,
        description="a network of sines alone, or one with wavelet latents, which makes the smaller file of most "
        "signals; if left out, the kind that suits signal and target. The other options but `tiles` belong to 'sines'",
    )
    tiles: Annotated[int, Field(ge=8, le=1 << 20)] | None = Field(
        default=None,
        description="cut the signal into tiles of at most so many samples along each axis, each with a network with "
        "wavelet latents of its own; if left out, only a signal that is too large for one network is cut",
    )
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


class RegimeSpec(_Spec):
    """Expert options of the spectrum: where the input frequencies lie, as fractions of the signal's Nyquist index."""

    low_share: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="share of the input frequencies that lie in the low box (q)"
    )
    low_limit: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="half side of the box of low frequencies, as a fraction of Nyquist (l)"
    )
    band_limit: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="largest input frequency, as a fraction of Nyquist (B)"
    )

    @model_validator(mode="after")
    def _box_lies_in_band(self) -> "RegimeSpec":
        if self.low_limit is not None and self.band_limit is not None and self.low_limit > self.band_limit:
            raise ValueError(f"low_limit is {self.low_limit:g}, expected at most band_limit, {self.band_limit:g}")
        return self


class TrainerSpec(_Spec):
    """Expert options of training."""

    kind: Literal["natural_gradient", "adam"] | None = Field(
        default=None, description="method of training; the preset's own if left out"
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = Field(default=None, description="learning rate of Adam")
    batch_samples: Annotated[int, Field(ge=1, le=1 << 24)] | None = Field(
        default=None, description="number of samples that a step of Adam sees"
    )
    damping: Annotated[float, Field(gt=0, le=1e3)] | None = Field(
        default=None, description="damping of the first direction of the natural gradient"
    )
    train_phases: bool | None = Field(default=None, description="whether the natural gradient moves the phases, too")

    @model_validator(mode="after")
    def _belongs_to_kind(self) -> "TrainerSpec":
        adam = self.learning_rate is not None or self.batch_samples is not None
        natural = self.damping is not None or self.train_phases is not None
        if (adam and self.kind != "adam") or (natural and self.kind == "adam"):
            raise ValueError(
                "learning_rate and batch_samples belong to kind 'adam', damping and train_phases to 'natural_gradient'"
            )
        return self


class CodecSpec(_Spec):
    """Options of the compressed file."""

    max_loss_db: Annotated[float, Field(ge=0.001, le=10)] = Field(
        default=0.1, description="PSNR that quantisation may cost where no target says how good or large it is, in dB"
    )


class FitSpec(_Spec):
    """One fit request; the same request and seed on the same CPU give the same bytes, time limits aside."""

    version: Literal[2] = 2
    preset: Literal["fast", "balanced", "best"] = Field(
        default="balanced", description="how long training may take, and how many networks may be tried for a target"
    )
    target: TargetSpec | None = Field(
        default=None, description="quality, largest error, size or time to meet; the preset's own network if left out"
    )
    max_seconds: Annotated[float, Field(gt=0, le=86_400)] | None = Field(
        default=None, description="stop after this much training time, whatever the target"
    )
    max_steps: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="training steps of a network, instead of the preset's"
    )
    max_run_seconds: Annotated[float, Field(gt=0, le=604_800)] | None = Field(
        default=None, description="fail when workers have held it for so long, all attempts together"
    )
    max_queue_seconds: Annotated[float, Field(gt=0, le=2_592_000)] | None = Field(
        default=None, description="expire when no worker has taken it within this time since it was last queued"
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    network: NetworkSpec = NetworkSpec()
    regime: RegimeSpec = RegimeSpec()
    trainer: TrainerSpec = TrainerSpec()
    codec: CodecSpec = CodecSpec()

    @model_validator(mode="after")
    def _suits_the_network(self) -> "FitSpec":
        if self.network.kind == "sines" and self.network.tiles is not None:
            raise ValueError("tiles are for the network kind 'wavelets', which is fitted to each of them")
        if self.network.kind != "wavelets" and self.network.tiles is None:
            return self
        if self._has_options_of_sines:
            raise ValueError("options of network, regime and trainer belong to the network kind 'sines'")
        if self.target is not None and self.target.max_error is not None:
            raise ValueError("max_error is for the network kind 'sines'; one with wavelets can be asked for psnr_db")
        return self

    def network_kind(self) -> Literal["sines", "wavelets"] | None:
        """The kind that is asked for, if only by an option that belongs to it; None if the preset is to decide."""
        if self.network.tiles is not None:
            return "wavelets"
        return self.network.kind or ("sines" if self._has_options_of_sines else None)

    @property
    def _has_options_of_sines(self) -> bool:
        network = self.network.model_copy(update={"kind": None, "tiles": None})
        return (network, self.regime, self.trainer) != (NetworkSpec(), RegimeSpec(), TrainerSpec())

    @model_validator(mode="before")
    @classmethod
    def _read_version_1(cls, data: Any) -> Any:
        """Version 1 said `effort` for the preset, and `target_psnr_db` was the one target there was."""
        if not isinstance(data, dict) or not (data.get("version") == 1 or data.keys() & {"effort", "target_psnr_db"}):
            return data
        if data.keys() & {"preset", "target"}:
            return data  # a mixture of both, refused for the words that version 2 does not know
        now = {name: value for name, value in data.items() if name not in {"version", "effort", "target_psnr_db"}}
        if "effort" in data:
            now["preset"] = data["effort"]
        if data.get("target_psnr_db") is not None:
            now["target"] = {"psnr_db": data["target_psnr_db"]}
        return now


# What a later version may have added: fields, words for a field, and its own number.
_OF_NEWER = frozenset({"extra_forbidden", "literal_error"})


def read_spec(row: Any) -> FitSpec:
    """The spec in a row. Every reading of a row goes through here: rows outlive deployments, in both directions.

    Raises:
        SpecNewer: if it has fields, words or a version that this version does not know.
        SpecInvalid: if it is not a spec of any version.
    """
    try:
        return FitSpec.model_validate(row)
    except ValidationError as error:
        version = row.get("version") if isinstance(row, dict) else None
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        where = ", ".join(".".join(map(str, fault["loc"])) or fault["msg"] for fault in faults)
        later = isinstance(version, int) and version > VERSION
        if later or {fault["type"] for fault in faults} <= _OF_NEWER:
            raise SpecNewer(
                f"this version of the service does not know what the fit asks for ({where}): it waits for a newer one"
            ) from error
        raise SpecInvalid(f"what the fit asks for cannot be read ({where}): submit it again") from error
