"""Networks of a file by the core: payload in, the words of the network out, from the format's own bytes alone.

The library reads chunks in Python (`tuner.codec`), with a message for every fault; this is the way of hosts that have
nothing but the core, such as a browser, and of the tests that hold the two to each other.
"""

import numpy as np

from tuner.core.host import Core, Instance, Integers, Layout, Limits, memory_needed


def sine_words(
    axes: int,
    start: bytes,
    chunk: int,
    payload: bytes,
    limits: Limits = Limits(),  # noqa: B008  frozen
) -> bytes:
    """The words of a network of sines.

    Args:
        axes: number of axes of the signal.
        start: first words of the network, from `tuner.core.synthesis.head`.
        chunk: type of the chunk, 1 or 3; of windows, chunk 4, that of the network inside.
        payload: bytes of the chunk.
        limits: what the call may use; by default memory is that of the weights and of tables as long as the payload.

    Raises:
        ConfigError: if the core knows no such network.
        CorruptFile: if the payload is not what an encoder writes.
        LimitExceeded: if work or memory does not suffice.
    """
    core = Core(_memory(start, payload, axes) if limits.memory is None else limits.memory)
    core.check(core.call("core_prepare_sines", axes))
    core.allow_work(limits.work)
    _put(core, start, payload)
    core.check(core.call("core_sines", chunk))
    return _words(core)


def wavelet_words(
    layout: Layout,
    start: bytes,
    payload: bytes,
    limits: Limits = Limits(),  # noqa: B008  frozen
    *,
    levels: int | None = None,
) -> tuple[bytes, Integers]:
    """The words of a network of wavelets, and its integers.

    Args:
        layout: subbands, whose scales and colours the payload names too.
        start: first words of the network, from `tuner.core.synthesis.head`.
        payload: bytes of the chunk.
        limits: what the call may use; by default memory is that of the layout, the weights and the payload.
        levels: number of levels that are read, as for `tuner.core.host.decode`.

    Raises:
        ConfigError: if the core knows no such layout or network.
        CorruptFile: if the payload is not what an encoder writes.
        LimitExceeded: if work or memory does not suffice.
    """
    axes = len(layout.samples)
    memory = memory_needed(layout, len(payload)) + _memory(start, payload, axes)
    core = Instance(layout, 0, Limits(limits.work, memory if limits.memory is None else limits.memory))
    _put(core, start, payload)
    core.check(core.call("core_wavelets"))
    core.call("core_want_levels", levels or 0)
    core.check(core.call("core_decode"))
    integers = core.read(core.call("core_integers"), 4 * core.call("core_integer_count"))
    return _words(core), np.frombuffer(integers, dtype="<i4").astype(np.int32, copy=False)


def _put(core: Core, start: bytes, payload: bytes) -> None:
    core.write(start, core.room("core_network_room", len(start) // 4))
    core.write(payload, core.room("core_coded_room", len(payload)))


def _words(core: Core) -> bytes:
    return bytes(core.read(core.call("core_network"), 4 * core.call("core_network_words")))


def _memory(start: bytes, payload: bytes, axes: int) -> int:
    words: list[int] = np.frombuffer(start, dtype="<u4").tolist()
    frequencies, sizes = words[0], [*words[6:], words[1]]
    weights, inputs = frequencies * (axes + 1), 2 * frequencies + 600
    for size in sizes:
        weights += size * (inputs + 1)
        inputs = size
    return (4 << 20) + 16 * weights + 8 * len(payload) + 32 * max(frequencies, *sizes)
