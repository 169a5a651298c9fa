"""When memory runs out: the same step again with half of the samples at a time.

How much memory a step takes depends on the signal, the network and on whatever else runs on the machine, so it is not
known before it fails. A trainer is then made anew in more and smaller parts, with nothing kept between its sweeps, and
goes on from the tensors of the one that failed.
"""

import logging
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeVar

import torch
from torch import Tensor

from tuner.errors import OutOfMemory
from tuner.fit.sines.module import SineNetwork
from tuner.fit.sines.trainer import SineTrainer

MAX_PARTS = 32  # five halvings: what does not fit then is the signal or the network itself

# Of a tensor, of anything else in torch's library, and of the libraries of a GPU, each in its own words.
_NO_MEMORY = (
    "can't allocate memory",
    "bad_alloc",
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
    "CUSPARSE_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUFFT_ALLOC_FAILED",
)
# After these no call to the GPU succeeds any more in this process, whatever it asks for.
_BROKEN = (
    "illegal memory access",
    "misaligned address",
    "device-side assert",
    "unspecified launch failure",
    "an illegal instruction was encountered",
    "invalid program counter",
    "hardware stack error",
    "the launch timed out and was terminated",
    "uncorrectable ECC error",
    "uncorrectable NVLink error",
    "device is lost",
    "GPU has fallen off the bus",
)

T = TypeVar("T")

logger = logging.getLogger(__name__)


class FrugalTrainer:
    """A trainer that halves its chunks of samples instead of failing; implements `tuner.fit.trainer.Trainer`.

    The sums are made in another order afterwards, so the last bits differ from those of a fit that had the memory.

    Args:
        make: makes the trainer, untrained, with its samples cut into so many times as many parts as it is told.

    Raises:
        OutOfMemory: here and in every method, when halving does not help any more.
    """

    def __init__(self, make: Callable[[int], SineTrainer]) -> None:
        self._make = make
        self._parts = 1
        self._trainer = self._made(None)

    @property
    def network(self) -> SineNetwork:
        """The network being trained."""
        return self._trainer.network

    def step(self) -> float:
        """Change the network once; see `Trainer.step`."""
        return self._insist(lambda trainer: trainer.step())

    def finish(self) -> float:
        """Make the network ready for use; see `Trainer.finish`."""
        return self._insist(lambda trainer: trainer.finish())

    def tensors(self) -> dict[str, Tensor]:
        """Everything that later steps depend on."""
        return self._trainer.tensors()

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue as the trainer that gave these `tensors` would have; see `Trainer.load_tensors`."""
        self._insist(lambda trainer: trainer.load_tensors(tensors))

    def _insist(self, work: Callable[[SineTrainer], T]) -> T:
        while True:
            try:
                return work(self._trainer)
            except Exception as error:
                self._halve(error)
            # Not while the error is held: its traceback holds what the step had allocated.
            tensors = {name: tensor.to("cpu", copy=True) for name, tensor in self._trainer.tensors().items()}
            del self._trainer
            self._trainer = self._made(tensors)

    def _made(self, tensors: Mapping[str, Tensor] | None) -> SineTrainer:
        while True:
            try:
                trainer = self._make(self._parts)
                if tensors is not None:
                    trainer.load_tensors(tensors)
                return trainer
            except Exception as error:
                self._halve(error)

    def _halve(self, error: Exception) -> None:
        if not is_out_of_memory(error):
            raise error
        if self._parts >= MAX_PARTS:
            raise OutOfMemory(
                f"not even 1/{self._parts} of the samples at a time fits in memory: ask for a smaller network, or "
                "for a smaller signal"
            ) from error
        self._parts *= 2
        logger.warning("out of memory: going on with 1/%s of the samples at a time", self._parts)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


class DeviceFault(StrEnum):
    """What an error says of the device on which it happened."""

    NONE = "none"
    OUT_OF_MEMORY = "out_of_memory"
    BROKEN = "broken"


def device_fault(error: BaseException) -> DeviceFault:
    """Which kind of fault an error is: no memory, a GPU that this process can use no more, or none of the device.

    Libraries of a GPU raise a plain RuntimeError and are known by their words alone. Those of a broken device win: what
    fails after it may complain of memory.
    """
    if isinstance(error, RuntimeError):
        if any(words in str(error) for words in _BROKEN):
            return DeviceFault.BROKEN
        if any(words in str(error) for words in _NO_MEMORY):
            return DeviceFault.OUT_OF_MEMORY
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return DeviceFault.OUT_OF_MEMORY
    return DeviceFault.NONE


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed: in Python or numpy, in torch on a CPU, on a GPU or in one of its libraries."""
    return device_fault(error) is DeviceFault.OUT_OF_MEMORY
