"""The core in Python: layouts, integers and coded bytes go in and out, under a limit of work and one of memory.

The module is compiled at the first call, once for all threads of the process. Every call has an instance of its own,
whose memory is given back afterwards: no call can leave anything behind for the next one, or for another thread. What
goes wrong inside, whatever the bytes are, comes out as one of the documented errors. `core/` has the sources.
"""

import atexit
from dataclasses import dataclass
from importlib.resources import files
from math import prod
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tuner.errors import ConfigError, CorruptFile, LimitExceeded, TunerError

if TYPE_CHECKING:  # imported at the first call, as other files can be read without it
    import wasmtime

LARGEST_VALUE = 1 << 29
_DESCRIPTION_VERSION = 1
_MOST_AXES, _MOST_SCALES, _MOST_COLOURS, _MOST_INTEGERS = 4, 16, 255, 1 << 28
_DESCRIPTION_WORDS = 4 + _MOST_AXES
_SUBBAND_WORDS = 7 + _MOST_AXES
# What an honest signal needs at most, measured with integers of the dearest kinds.
_BASE_MEMORY, _SUBBAND_MEMORY = 8 << 20, 512
# Sums that the core keeps of the row of integers that it codes: nine of 2 bytes a node and one of 4 (`subbands.c`).
_ROW_MEMORY = 9 * 2 + 4
# An integer of 2^29 takes up to five.
_MOST_BYTES_PER_INTEGER = 5

Integers = npt.NDArray[np.int32]


_ANSWERS: dict[int, tuple[type[TunerError], str]] = {
    1: (
        ConfigError,
        "expected 1 to 4 axes of at least one sample, 1 to 255 colours, 1 to 16 scales, and at most 2^28 integers",
    ),
    2: (LimitExceeded, "the memory allowed is too small: allow more, or take a smaller signal"),
    3: (CorruptFile, "the coded bytes end before the last integer: the file is truncated or damaged"),
    4: (CorruptFile, "coded bytes are left over after the last integer: the file is damaged"),
    5: (CorruptFile, "an integer is larger than 2^29: the file is damaged"),
    7: (LimitExceeded, "the work allowed is too little: allow more, or take a smaller signal"),
    8: (ConfigError, "the network is none that the core evaluates, which its `fits` tells"),
    9: (ConfigError, "expected 1 to 2^28 coordinates along each axis, and no more in a row of the grid"),
    10: (CorruptFile, "the network is not what an encoder writes: the file is damaged"),
}
_modules: "dict[bool, tuple[wasmtime.Engine, wasmtime.Module]]" = {}
_compiling = Lock()
atexit.register(_modules.clear)  # while what takes them apart is still there


@dataclass(frozen=True, slots=True)
class Layout:
    """Which integers a signal has.

    Attributes:
        samples: number of samples of the signal along each axis, 1 to 4 axes.
        colours: channels that are coded one after the other, 1 to 255.
        scales: levels of high-pass subbands, 1 to 16.
    """

    samples: tuple[int, ...]
    colours: int
    scales: int

    def integers(self) -> int:
        """How many integers there are, in all subbands."""
        return sum(channels * prod(nodes) for nodes, channels in self.levels())

    def levels(self) -> list[tuple[tuple[int, ...], int]]:
        """Nodes along each axis, and subbands of all colours, of every level from coarse to fine."""
        kinds = (1 << len(self.samples)) - 1
        nodes = [tuple(-(-count >> scale) for count in self.samples) for scale in range(self.scales, 0, -1)]
        return [(nodes[0], self.colours), *((each, self.colours * kinds) for each in nodes)]

    @property
    def fits(self) -> bool:
        """Whether the core knows layouts of this size."""
        return (
            1 <= len(self.samples) <= _MOST_AXES
            and min(self.samples) >= 1
            and 1 <= self.colours <= _MOST_COLOURS
            and 1 <= self.scales <= _MOST_SCALES
            and self.integers() <= _MOST_INTEGERS
        )

    def description(self) -> bytes:
        """As the core reads it.

        Raises:
            ConfigError: if a number does not fit a word, or there are too many axes or scales.
        """
        words = (_DESCRIPTION_VERSION, len(self.samples), self.colours, self.scales, *self.samples)
        if not (1 <= len(self.samples) <= _MOST_AXES and 1 <= self.scales <= _MOST_SCALES and min(words) >= 1) or (
            max(words) >= 1 << 32
        ):
            raise ConfigError(f"the layout is {self}, {_ANSWERS[1][1]}")
        padded = words + (1,) * (_DESCRIPTION_WORDS - len(words))
        return np.array(padded, dtype="<u4").tobytes()


@dataclass(frozen=True, slots=True)
class Subband:
    """One array of the integers; see `layout.h`.

    Attributes:
        level: 0 for the low-pass level, then from coarse to fine.
        spacing: samples for every node, along every axis.
        colour: number of the colour to which the subband belongs.
        orientation: bit D - 1 - a is 1 if it is high-pass along axis a.
        field: number of the field to which the subband's wavelets add.
        nodes: number of nodes along each axis.
        first: the index of its first integer.
    """

    level: int
    spacing: int
    colour: int
    orientation: int
    field: int
    nodes: tuple[int, ...]
    first: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may use.

    Attributes:
        work: decisions by one counter, about 20 ns each, that all that is done may come to, counted by the core itself
            and rounded up to a multiple of 1,024; None for what the layout bounds.
        memory: bytes; None for what any honest signal of the layout needs.
    """

    work: int | None = None
    memory: int | None = None


def decode(coded: bytes, layout: Layout, limits: Limits = Limits(), *, levels: int | None = None) -> Integers:
    """The integers of a layout from coded bytes, int32, subband after subband.

    Args:
        coded: what `encode` returned for the same layout; its beginning suffices for the first levels.
        layout: subbands that the integers belong to.
        limits: what the call may use.
        levels: number of levels that are read, the low-pass one first; the integers of all others are 0. None for all,
            which have to end where the bytes do.

    Raises:
        ConfigError: if the layout is outside of what the core knows.
        CorruptFile: if the bytes are not a code for this layout.
        LimitExceeded: if work or memory does not suffice.
    """
    instance = Instance(layout, len(coded), limits)
    instance.write(coded, instance.room("core_coded_room", len(coded)))
    instance.call("core_want_levels", levels or 0)
    instance.check(instance.call("core_decode"))
    data = instance.read(instance.call("core_integers"), 4 * instance.call("core_integer_count"))
    return np.frombuffer(data, dtype="<i4").astype(np.int32, copy=False)


def encode(integers: npt.NDArray[np.integer], layout: Layout, limits: Limits = Limits()) -> bytes:
    """Coded bytes of integers; their number is the exact cost of the integers in a file.

    Arguments and errors are those of `encode_levels`.
    """
    return encode_levels(integers, layout, limits)[0]


def encode_levels(
    integers: npt.NDArray[np.integer], layout: Layout, limits: Limits = Limits()
) -> tuple[bytes, tuple[int, ...]]:
    """Coded bytes of integers, and how many of them a decoder needs for each level.

    Args:
        integers: subband after subband, as many as the layout has, within 2^29 either way.
        layout: subbands that the integers belong to.
        limits: what the call may use.

    Returns:
        The bytes, and for each level, the low-pass one first, how many of them it ends after.

    Raises:
        ConfigError: if the layout is outside of what the core knows, or the integers do not fit it.
        LimitExceeded: if work or memory does not suffice.
    """
    flat = np.asarray(integers).reshape(-1)
    if flat.size and not -LARGEST_VALUE <= flat.min() <= flat.max() <= LARGEST_VALUE:
        raise ConfigError(f"integers are {flat.min()} to {flat.max()}, expected at most 2^29 either way")
    instance = Instance(layout, _MOST_BYTES_PER_INTEGER * flat.size, limits)
    if (expected := instance.call("core_integer_count")) != flat.size:
        raise ConfigError(f"there are {flat.size} integers, expected {expected} for {layout}")
    instance.write(flat.astype("<i4").tobytes(), instance.call("core_integers"))
    instance.check(instance.call("core_encode"))
    coded = bytes(instance.read(instance.call("core_coded"), instance.call("core_coded_size")))
    ends = instance.read(instance.call("core_level_ends"), 4 * (layout.scales + 1))
    return coded, tuple(np.frombuffer(ends, dtype="<u4").tolist())


def subbands(layout: Layout) -> list[Subband]:
    """The subbands of a layout, in the order of their integers; raises `ConfigError` as `decode` does."""
    instance = Instance(layout, 0, Limits())
    size = 4 * _SUBBAND_WORDS * instance.call("core_subband_count")
    words = np.frombuffer(instance.read(instance.call("core_subbands"), size), dtype="<u4").reshape(-1, _SUBBAND_WORDS)
    found = []
    for row in words.tolist():
        level, spacing, colour, orientation, field, *nodes, _, first = row
        found.append(Subband(level, spacing, colour, orientation, field, tuple(nodes[: len(layout.samples)]), first))
    return found


def memory_needed(layout: Layout, coded: int) -> int:
    """Bytes of memory that an honest signal needs at most."""
    finest = layout.levels()[-1][0]
    # Beside what each subband has: the row at hand, and a plane for all orientations of a level.
    memory = _BASE_MEMORY + 2 * coded + _ROW_MEMORY * finest[-1] + _plane_memory(finest)
    for nodes, subbands_of_level in layout.levels():
        memory += subbands_of_level * (_SUBBAND_MEMORY + 4 * prod(nodes) + _plane_memory(nodes))
    return memory


def _plane_memory(nodes: tuple[int, ...]) -> int:
    """Of one byte a node, with borders and room at its ends."""
    return 2 * prod(count + 2 for count in nodes)


class Core:
    """The core with a memory of its own, ready to be prepared for something.

    Args:
        memory: bytes that the core may use.
    """

    def __init__(self, memory: int) -> None:
        import wasmtime

        engine, module = _compiled()
        self._store = wasmtime.Store(engine)
        self.allow_memory(memory)
        try:
            self._exports = wasmtime.Instance(self._store, module, []).exports(self._store)
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            raise LimitExceeded(_ANSWERS[2][1]) from error
        memory_export = self._exports["memory"]
        assert isinstance(memory_export, wasmtime.Memory)  # noqa: S101  the module is ours
        self._memory = memory_export

    def allow_memory(self, memory: int) -> None:
        """Bytes that the core may use from now on; what it has it keeps."""
        self._store.set_limits(memory_size=min(memory, 1 << 32))

    def allow_work(self, work: int | None) -> None:
        """Limit the work of each call that follows, in decisions by one counter, as in `Limits`."""
        if work is not None:
            self.call("core_allow", max(1, min(-(-work // 1024), (1 << 31) - 1)))

    def room(self, name: str, *arguments: int) -> int:
        """Call an entry point that answers with an address.

        Raises:
            LimitExceeded: if the memory does not suffice.
        """
        address = self.call(name, *arguments)
        if not address:
            raise LimitExceeded(_ANSWERS[2][1])
        return address

    def call(self, name: str, *arguments: int) -> int:
        """Call an entry point; what it returns counts as unsigned."""
        import wasmtime

        function = self._exports[name]
        assert isinstance(function, wasmtime.Func)  # noqa: S101  the module is ours
        try:
            return int(function(self._store, *arguments) or 0) & 0xFFFFFFFF
        except wasmtime.Trap as error:
            raise CorruptFile(f"the core stopped, which no input should bring about: {error}") from error

    def check(self, answer: int) -> None:
        """Raise what an answer stands for, unless all went well."""
        if answer:
            kind, message = _ANSWERS[answer]
            raise kind(message)

    def write(self, data: bytes, address: int) -> None:
        """Put bytes into the memory of the core."""
        self.view(address, len(data))[:] = np.frombuffer(data, dtype=np.uint8)

    def view(self, address: int, size: int) -> npt.NDArray[np.uint8]:
        """Bytes in the memory of the core, until the next call, by which that may move."""
        if not size:
            return np.empty(0, dtype=np.uint8)
        return np.frombuffer(memoryview(self._memory.get_buffer_ptr(self._store, size, address)), dtype=np.uint8)

    def read(self, address: int, size: int) -> bytearray:
        """A copy of bytes from the memory of the core."""
        return self._memory.read(self._store, address, address + size)


class Instance(Core):
    """The core with a layout, ready to be called.

    Args:
        layout: subbands that the integers belong to.
        coded: bytes that will be read, or written at most.
        limits: work and memory that the instance may use.
    """

    def __init__(self, layout: Layout, coded: int, limits: Limits) -> None:
        description = layout.description()
        super().__init__(memory_needed(layout, coded) if limits.memory is None else limits.memory)
        self.write(description, self.call("core_description"))
        answer = self.call("core_prepare")
        if answer == 1:
            raise ConfigError(f"the layout is {layout}, {_ANSWERS[1][1]}")
        self.check(answer)
        self.allow_work(limits.work)


def _compiled() -> "tuple[wasmtime.Engine, wasmtime.Module]":
    """The compiled module, which threads share; the first to come compiles it, in its own thread."""
    is_tight = _address_space_is_limited()
    with _compiling:
        if is_tight not in _modules:
            import wasmtime

            config = wasmtime.Config()
            # Fuel would take a third more time. The core counts its work itself, and all its loops end: they run over
            # subbands, nodes, steps and bits, whose numbers the description bounds.
            # Tables would be mapped from a file in memory, which a process that has closed what it inherited lacks.
            config.memory_init_cow = False
            config.parallel_compilation = False  # 30 ms of one core; a pool of threads would not outlive a fork
            if is_tight:
                # Otherwise 4 GiB of addresses, none of them used, spare every access a comparison: a fifth of the time.
                config.memory_reservation, config.memory_guard_size = 0, 0
                config.memory_reservation_for_growth = 1 << 20
            engine = wasmtime.Engine(config)
            wasm = files("tuner.core").joinpath("core.wasm").read_bytes()
            _modules[is_tight] = engine, wasmtime.Module(engine, wasm)
        return _modules[is_tight]


def _address_space_is_limited() -> bool:
    """Whether the process may not have all the addresses it likes, as under `ulimit -v`."""
    try:
        import resource
    except ImportError:  # Windows
        return False
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
