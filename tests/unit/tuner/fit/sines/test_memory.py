"""A fit that runs out of memory goes on in smaller parts, under a real limit, in a process of its own."""

import os
import subprocess
import sys

import pytest
import torch

from tuner.fit.sines.memory import DeviceFault, FrugalTrainer, device_fault, is_out_of_memory
from tuner.fit.sines.trainer import SineTrainer

needs_limits = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")


def narrow_fit(spare_mebibytes: int, after_step: int) -> subprocess.CompletedProcess[str]:
    """A fit of three steps whose process may grow by no more than that, from a step on."""
    return subprocess.run(
        [sys.executable, "-m", "tests.unit.tuner.fit.sines.narrow", str(spare_mebibytes), str(after_step)],
        # Arenas of several threads reserve more address space than the fit needs.
        env=os.environ | {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


@needs_limits
@pytest.mark.long
@pytest.mark.parametrize(("spare_mebibytes", "after_step"), [(90, 0), (0, 1)])
def test_a_fit_that_runs_out_of_memory_makes_all_its_steps(spare_mebibytes: int, after_step: int) -> None:
    ended = narrow_fit(spare_mebibytes, after_step)
    assert (ended.stdout, "1/2 of the samples" in ended.stderr) == ("3", True)


@needs_limits
def test_a_fit_that_has_no_memory_at_all_says_so() -> None:
    ended = narrow_fit(0, 0)
    assert (ended.stdout, "1/32 of the samples" in ended.stderr) == ("out_of_memory", True)


def test_another_error_is_no_reason_to_try_again() -> None:
    made: list[int] = []

    def make(parts: int) -> SineTrainer:
        made.append(parts)
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        FrugalTrainer(make)
    assert made == [1]


def test_what_failed_allocations_look_like() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("std::bad_alloc"))
    assert not is_out_of_memory(RuntimeError("shapes differ"))


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), DeviceFault.OUT_OF_MEMORY),
        (MemoryError(), DeviceFault.OUT_OF_MEMORY),
        (RuntimeError("CUDA error: out of memory"), DeviceFault.OUT_OF_MEMORY),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
            DeviceFault.OUT_OF_MEMORY,
        ),
        (RuntimeError("cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling ..."), DeviceFault.OUT_OF_MEMORY),
        (RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"), DeviceFault.OUT_OF_MEMORY),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), DeviceFault.BROKEN),
        (RuntimeError("CUDA error: device-side assert triggered"), DeviceFault.BROKEN),
        (RuntimeError("CUDA error: unspecified launch failure"), DeviceFault.BROKEN),
        (RuntimeError("CUDA error: uncorrectable ECC error encountered"), DeviceFault.BROKEN),
        (
            RuntimeError("CUBLAS_STATUS_ALLOC_FAILED after CUDA error: an illegal memory access was encountered"),
            DeviceFault.BROKEN,
        ),
        (RuntimeError("shapes differ"), DeviceFault.NONE),
        (ValueError("CUDA error: device-side assert triggered"), DeviceFault.NONE),
    ],
)
def test_faults_of_a_device_are_told_apart(error: Exception, fault: DeviceFault) -> None:
    assert device_fault(error) is fault
    assert is_out_of_memory(error) is (fault is DeviceFault.OUT_OF_MEMORY)
