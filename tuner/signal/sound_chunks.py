"""Lengths that a sound file declares, compared with what is there, before libsndfile takes them literally.

A program that writes into a pipe cannot go back to fill a length in, and one that crashed has not: the header then says
0, all ones, or one of the large numbers that such programs agree on, and the samples are those that are there. A length
that could be true and is not means that the file has been cut. An Ogg file may be several sounds one after another, of
which libsndfile reads the first.
"""

from collections.abc import Iterator
from typing import Final

from tuner.errors import DamagedSignal, SignalTooLarge, UnsupportedFormat

# Writers into pipes say 0x7ffff000 (sox), 0x7fffffff, 0x80000000 (arecord) or 0xffffffff (FFmpeg) and the like; a sound
# of so many bytes is over the limit of a file twice.
_UNKNOWN: Final = 0x7F000000
_UNKNOWN_LONG: Final = 1 << 62
_INTEGERS, _FLOATS, _FURTHER_DOWN = 1, 3, 0xFFFE
_FURTHER_DOWN_AT: Final = 24  # place of the codec in a longer chunk "fmt "
_BITS_OF_NUMBERS: Final = 64  # at most
_MOST_BITS: Final = 32  # of integers
_BITS_OF_FLOATS: Final = {32, 64}
_CODECS: Final = {_INTEGERS, _FLOATS, 6, 7, _FURTHER_DOWN}  # with A-law and mu-law
_OTHER_CODECS: Final = {2: "MS ADPCM", 0x11: "IMA ADPCM", 0x31: "GSM 6.10", 0x50: "MPEG", 0x55: "MP3", 0xFF: "AAC"}
_ID3_BYTES: Final = 10
_OGG_HEADER: Final = 27
_FLAC: Final = b"fLaC"
_FLAC_IN_OGG: Final = b"\x7fFLAC"  # followed by the version, the number of heads, and what every FLAC begins with
_MOST_SOUNDS: Final = 256
_FIRST_PAGE, _LAST_PAGE = 0x02, 0x04  # flags of an Ogg page


def without_id3(data: bytes) -> bytes:
    """The file behind the ID3 tags that some programs put in front of it."""
    place = 0  # copied once, however many tags there are
    while data.startswith(b"ID3", place) and len(data) - place > _ID3_BYTES:
        size = 0
        for byte in data[place + 6 : place + 10]:
            size = size << 7 | byte & 0x7F
        place += _ID3_BYTES + size + (_ID3_BYTES if data[place + 5] & 0x10 else 0)
    return data[place:]


def with_true_lengths(data: bytes) -> bytes:
    """A WAV whose lengths are those of the file, if they were left open.

    Args:
        data: all bytes of a RIFF or RF64 file.

    Returns:
        The same bytes, or a copy with true lengths in the header.

    Raises:
        DamagedSignal: if a length that could be true goes beyond the end of the file.
        UnsupportedFormat: if samples are of a codec that is not read.
    """
    align, long_size = 1, None
    position = 12
    while position + 8 <= len(data):
        name, size = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        if name == b"ds64":
            long_size = int.from_bytes(data[position + 16 : position + 24], "little")
        if name == b"fmt " and size >= 14:
            _check_codec(data[position + 8 : position + 8 + size])
            align = max(1, int.from_bytes(data[position + 20 : position + 22], "little"))
        if name == b"data":
            there = len(data) - position - 8
            if long_size is not None and size == 0xFFFFFFFF:
                size = long_size if long_size < _UNKNOWN_LONG else 0
            unknown = size >= _UNKNOWN or (size == 0 and not _is_chunks(data[position + 8 :]))
            if not unknown:
                if size > there:
                    raise DamagedSignal(
                        f"the sound lacks the last {size - there} bytes of its samples: it is truncated"
                    )
                return data
            return _closed(data, position, there - there % align)
        position += 8 + size + size % 2
    raise DamagedSignal("the sound has no samples: its data chunk is missing or lies beyond the end of the file")


def ogg_links(data: bytes) -> list[bytes]:
    """The sounds of an Ogg file that follow each other.

    Raises:
        DamagedSignal: if a page is missing or cut, or a sound has no last page.
        SignalTooLarge: if there are too many sounds.
        UnsupportedFormat: if streams lie beside each other.
    """
    starts: list[int] = []
    open_serials: set[int] = set()
    for place, flags, serial, _ in _ogg_pages(data):
        if flags & _FIRST_PAGE:
            if open_serials:
                raise UnsupportedFormat(
                    "the Ogg file has several streams beside each other, expected one sound: extract it"
                )
            if len(starts) == _MOST_SOUNDS:
                raise SignalTooLarge(
                    f"the Ogg file has more than {_MOST_SOUNDS} sounds in a row, each with its own head: split it, or "
                    "write them as one sound"
                )
            starts.append(place)
            open_serials.add(serial)
        if flags & _LAST_PAGE:
            open_serials.discard(serial)
    if open_serials or not starts:
        raise DamagedSignal("the sound ends before its last page: it is truncated")
    return [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]


def out_of_ogg(data: bytes) -> bytes:
    """The FLAC that an Ogg holds, which libsndfile reads by itself only; any other Ogg as it is."""
    if not data.startswith(_FLAC_IN_OGG, _OGG_HEADER + 1):
        return data
    whole = b"".join(content for *_, content in _ogg_pages(data))
    place = whole.find(_FLAC)
    return data if place < 0 else whole[place:]


def _ogg_pages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Place, flags, serial number and content of every page."""
    place = 0
    while place < len(data):
        header = data[place : place + _OGG_HEADER]
        if len(header) < _OGG_HEADER or not header.startswith(b"OggS"):
            following = data.find(b"OggS", place + 1)
            if following < 0:
                return  # what follows the last page, a tag as a rule, is no sound
            place = following
            continue
        lacing = data[place + _OGG_HEADER : place + _OGG_HEADER + header[26]]
        end = place + _OGG_HEADER + header[26] + sum(lacing)
        if len(lacing) < header[26] or end > len(data):
            raise DamagedSignal("the sound ends within a page: it is truncated")
        content = data[end - sum(lacing) : end]
        yield place, header[5], int.from_bytes(header[14:18], "little"), content
        place = end


def _check_codec(form: bytes) -> None:
    """Refuse samples that are not read, by the chunk that says what they are."""
    tag, bits = int.from_bytes(form[:2], "little"), int.from_bytes(form[14:16], "little")
    if tag == _FURTHER_DOWN and len(form) >= _FURTHER_DOWN_AT + 2:
        tag = int.from_bytes(form[_FURTHER_DOWN_AT : _FURTHER_DOWN_AT + 2], "little")
    if tag not in _CODECS:
        name = _OTHER_CODECS.get(tag, f"number {tag:#06x}")
        raise UnsupportedFormat(
            f"the samples of the WAV are of codec {name}, expected plain integers or floats, A-law or mu-law: "
            "convert it to a WAV of 16 bits or a FLAC"
        )
    # What has more bits than any number is damaged, which the library that reads it finds.
    is_wide = tag == _INTEGERS and bits > _MOST_BITS
    if bits <= _BITS_OF_NUMBERS and (is_wide or (tag == _FLOATS and bits not in _BITS_OF_FLOATS)):
        raise UnsupportedFormat(
            f"the samples of the WAV are {'floats' if tag == _FLOATS else 'integers'} of {bits} bits, expected "
            "integers of up to 32 or floats of 32 or 64: convert it to a WAV of floats of 32 bits"
        )


def _is_chunks(rest: bytes) -> bool:
    """Whether bytes are nothing but whole chunks with names in letters: then a data chunk of 0 bytes is empty."""
    position = 0
    while position + 8 <= len(rest):
        if not all(32 <= byte < 127 for byte in rest[position : position + 4]):
            return False
        size = int.from_bytes(rest[position + 4 : position + 8], "little")
        position += 8 + size + size % 2
    return position in {len(rest), len(rest) + 1}


def _closed(data: bytes, position: int, size: int) -> bytes:
    """The file as its writer would have closed it; one of 32-bit lengths, since it fits in memory."""
    end = position + 8 + size
    head = b"RIFF" + (end - 8).to_bytes(4, "little") + data[8 : position + 4] + size.to_bytes(4, "little")
    return head.replace(b"ds64", b"JUNK", 1) + data[position + 8 : end]
