"""What the pages of a TIFF are, read from their directories alone: a picture, a stack, an array, or nothing we can use.

A TIFF says in a dozen tags what its numbers mean. Each that changes the meaning is read here, for every page, and is
either honoured by whoever decodes or refused by name. No sample is looked at and no library is needed, so that
`tuner.signal.formats` can ask before anything is decoded. Classic TIFF and BigTIFF, both byte orders.

| tag | what becomes of it |
|---|---|
| NewSubfileType, SubfileType | smaller copies are passed over, transparency masks refused |
| BitsPerSample, SampleFormat | unsigned of 1, 2, 4, 8, 16 bits are pictures; the rest arrays, complex refused |
| PhotometricInterpretation | grey either way, RGB, palette, CMYK and YCbCr are honoured, the rest refused |
| ExtraSamples | alpha is kept, premultiplied alpha divided out (8 bits) or refused, else an array of bands |
| InkSet | other inks than CMYK are refused |
| YCbCrCoefficients, ReferenceBlackWhite | of YCbCr others than those of JPEG are refused |
| PlanarConfiguration, Compression, Predictor, FillOrder, tiles and strips | honoured by the decoders |
| Orientation | applied |
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Literal

from tuner.errors import DamagedSignal, UnsupportedFormat

_TYPE_BYTES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 1, 7: 1, 8: 2, 9: 4, 13: 4, 16: 8, 17: 8, 18: 8}
_RATIONAL: Final = 5  # two numbers for each
_MOST_VALUES: Final = 64  # of a tag that is looked at; a description is cut
_MOST_PAGES: Final = (1 << 13) + 1  # one more than a stack may have
_MOST_ENTRIES: Final = 1 << 18  # of all directories: thirty for each of as many pages as are read
# Those that are looked at, here; the others may have as many values as they like.
_TAGS: Final = {254, 255, 256, 257, 258, 259, 262, 266, 270, 274, 277, 284, 330, 332, 338, 339, 529, 532, 32997, 33629}
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_OLD_REDUCED: Final = 2  # of SubfileType
_APART: Final = 2  # of PlanarConfiguration
_LOWEST_FIRST: Final = 2  # of FillOrder
_PICTURE_BITS: Final = {1, 2, 4, 8, 16}
_MANY_PLANES: Final = 33629  # MetaMorph: all planes of a stack behind one directory
_SUBDIRECTORIES: Final = 330
# YCbCr as JPEG has it, which is how decoders make it RGB: weights of the colours; black and white of each sample.
_WEIGHTS: Final = (0.299, 0.587, 0.114)
_BLACK_AND_WHITE: Final = (0.0, 255.0, 128.0, 255.0, 128.0, 255.0)
_NEARLY: Final = 0.005
_NAMES: Final = {
    4: "a transparency mask",
    8: "CIELab",
    9: "ICCLab",
    10: "ITULab",
    32803: "the colour filter array of a camera",
    32844: "LogL",
    32845: "LogLuv",
    34892: "raw values of a camera",
}


class Photometric:
    """Numbers of PhotometricInterpretation."""

    WHITE_IS_ZERO = 0
    BLACK_IS_ZERO = 1
    RGB = 2
    PALETTE = 3
    SEPARATED = 5
    YCBCR = 6


class TiffContent(StrEnum):
    """What a TIFF holds."""

    PICTURE = "picture"
    ARRAY = "array"
    STACK = "stack"


@dataclass(frozen=True, slots=True)
class Page:
    """The tags of one directory that change what its samples mean.

    Attributes:
        place: number of the directory in the file, from 0.
        width: pixels in a row.
        height: rows.
        bits: number of bits of each sample of a pixel.
        formats: code of the number format of each sample: 1 unsigned, 2 signed, 3 float, 4 undefined, 5 and 6 complex.
        photometric: how samples become colours; None if the tag is missing.
        samples: number of samples of a pixel.
        extra: meaning of the samples beyond the colour: 0 unspecified, 1 premultiplied alpha, 2 alpha.
        orientation: 1 to 8.
        inks: 1 for CMYK.
        compression: number of the codec.
        subfile: bits of NewSubfileType.
        apart: whether every sample of a pixel lies in a plane of its own.
        lowest_first: whether the first bit of a byte is its lowest one.
        as_jpeg: whether YCbCr samples become RGB as those of a JPEG do.
        planes: whether further planes lie behind this one directory.
        nested: whether there are directories below it.
    """

    place: int
    width: int
    height: int
    bits: tuple[int, ...]
    formats: tuple[int, ...]
    photometric: int | None
    samples: int
    extra: tuple[int, ...]
    orientation: int
    inks: int
    compression: int
    subfile: int
    apart: bool
    lowest_first: bool
    as_jpeg: bool
    planes: bool
    nested: bool

    @property
    def colours(self) -> int:
        """Samples that the photometric interpretation speaks of."""
        return {Photometric.RGB: 3, Photometric.YCBCR: 3, Photometric.SEPARATED: 4}.get(self.photometric or 0, 1)

    @property
    def extras(self) -> tuple[int, ...]:
        """Meaning of every sample beyond the colour; those that the tag leaves out are unspecified."""
        count = max(0, self.samples - self.colours)
        return (self.extra + (0,) * count)[:count]

    @property
    def is_picture(self) -> bool:
        """Whether the samples are unsigned, as pictures have them, and all of them mean a colour or alpha."""
        return (
            len(set(self.bits)) == 1
            and self.bits[0] in _PICTURE_BITS
            and set(self.formats) == {1}
            and self.samples >= self.colours
            and self.extras in {(), (1,), (2,)}
        )

    def checked(self) -> "Page":
        """This page.

        Raises:
            UnsupportedFormat: if its samples mean something that cannot be kept.
        """
        meaning = self.photometric
        if meaning is None:
            raise UnsupportedFormat(
                "the TIFF does not say how its samples become colours (PhotometricInterpretation), expected grey, RGB, "
                "a palette, CMYK or YCbCr: write it again with another program"
            )
        if meaning in _NAMES or not 0 <= meaning <= Photometric.YCBCR:
            raise UnsupportedFormat(
                f"the samples of the TIFF are {_NAMES.get(meaning, f'of photometric interpretation {meaning}')}, "
                "expected grey, RGB, a palette, CMYK or YCbCr: convert it to an RGB TIFF or PNG"
            )
        if set(self.formats) - {1, 2, 3} or len(set(self.bits)) > 1 or len(set(self.formats)) > 1:
            raise UnsupportedFormat(
                f"the TIFF has samples of {sorted(set(self.bits))} bits, format {sorted(set(self.formats))}, expected "
                "all of one size, unsigned (1), signed (2) or floats (3): convert it to a TIFF or .npy of floats"
            )
        if meaning == Photometric.SEPARATED and (self.inks != 1 or self.samples != 4 or set(self.bits) != {8}):
            raise UnsupportedFormat(
                f"the TIFF has {self.samples} inks of {self.bits[0]} bits, expected CMYK of 8 bits: convert it to RGB"
            )
        if meaning not in {Photometric.BLACK_IS_ZERO, Photometric.RGB} and not self.is_picture:
            raise UnsupportedFormat(
                f"the TIFF has samples of {self.bits[0]} bits, format {self.formats[0]}, that count from white to "
                f"black or are no colours themselves (photometric interpretation {meaning}), expected unsigned ones of "
                "up to 16 bits: convert it to one whose samples count from black to white"
            )
        if meaning == Photometric.YCBCR and not self.as_jpeg:
            raise UnsupportedFormat(
                "the YCbCr samples of the TIFF have another matrix or range (YCbCrCoefficients, ReferenceBlackWhite) "
                "than those of a JPEG: convert it to RGB with a program that honours them"
            )
        if 1 in self.extras and set(self.bits) != {8}:
            raise UnsupportedFormat(
                "the colours of the TIFF are premultiplied by their alpha, expected alpha that stands for itself: "
                "convert it (unassociated alpha)"
            )
        return self


def content_of(data: bytes) -> TiffContent | None:
    """What a TIFF holds; None if the file is no TIFF, or if its directories cannot be read."""
    try:
        pages = main_pages(data)
    except DamagedSignal:
        return None
    except UnsupportedFormat:
        return TiffContent.PICTURE
    if len(pages) > 1 or pages[0].planes:
        return TiffContent.STACK
    return TiffContent.PICTURE if pages[0].is_picture else TiffContent.ARRAY


def main_pages(data: bytes) -> list[Page]:
    """The pages that are no smaller copies of others.

    Raises:
        DamagedSignal: if the directories cannot be read.
        UnsupportedFormat: if a page is a transparency mask, or there are only previews.
    """
    pages = list(_pages(data))
    if not pages:
        raise DamagedSignal("the TIFF has no page: it is truncated or corrupt")
    if any(page.subfile & _MASK for page in pages):
        raise UnsupportedFormat(
            "the TIFF has a page that is the transparency mask of another, expected alpha beside the colours: "
            "convert the mask to an alpha band, or remove it"
        )
    found = [page for page in pages if not page.subfile & _REDUCED]
    if not found:
        nested = any(page.nested for page in pages)
        raise UnsupportedFormat(
            "the TIFF has nothing but previews"
            + (" beside what only a raw developer reads: develop it to a TIFF or PNG" if nested else "")
        )
    return found


def begins_tiff(data: bytes) -> bool:
    """Whether a file begins like a TIFF or a BigTIFF."""
    return data[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}


def _pages(data: bytes) -> Iterator[Page]:
    if not begins_tiff(data):
        raise DamagedSignal("the file does not begin like a TIFF")
    reader = _Reader(data, "little" if data[:2] == b"II" else "big", 8 if b"+" in data[:4] else 4)
    place, seen = reader.number(8 if reader.wide == 8 else 4, reader.wide), set[int]()
    entries = 0
    while place and place not in seen and len(seen) < _MOST_PAGES:
        entries += reader.number(place, 8 if reader.wide == 8 else 2)
        if entries > _MOST_ENTRIES:
            raise DamagedSignal(f"the directories of the TIFF have more than {_MOST_ENTRIES} entries: it is corrupt")
        page, following = reader.page(place, len(seen))
        seen.add(place)
        yield page
        place = following


@dataclass(frozen=True, slots=True)
class _Reader:
    data: bytes
    order: str
    wide: int  # bytes of a place in the file

    def number(self, start: int, size: int) -> int:
        piece = self.data[start : start + size]
        if len(piece) < size:
            raise DamagedSignal("a directory of the TIFF lies beyond the end of the file: it is truncated")
        return int.from_bytes(piece, "little" if self.order == "little" else "big")

    def page(self, place: int, number: int) -> tuple[Page, int]:
        head, entry = (8, 20) if self.wide == 8 else (2, 12)
        count = self.number(place, head)
        end = place + head + count * entry
        if count > 1 << 12:
            raise DamagedSignal(f"a directory of the TIFF has {count} entries: it is corrupt")
        directory = self.data[place + head : end]
        if len(directory) < count * entry:
            raise DamagedSignal("a directory of the TIFF lies beyond the end of the file: it is truncated")
        tags: dict[int, tuple[int, ...]] = {}
        # In one go: thousands of pages are read before it is known that there are too many.
        form = ("<" if self.order == "little" else ">") + ("HHQ8s" if self.wide == 8 else "HHI4s")
        for tag, kind, number_of_values, content in struct.iter_unpack(form, directory):
            if tag in _TAGS and tag not in tags:
                tags[tag] = self._values(kind, number_of_values, content)
        page = _page(tags, number)
        return page, self.number(end, self.wide)

    def _values(self, kind: int, count: int, content: bytes) -> tuple[int, ...]:
        """Values of an entry, which has them, or the place where they are; none if that is beyond the end."""
        order: Literal["little", "big"] = "little" if self.order == "little" else "big"
        size = _TYPE_BYTES.get(kind, 0)
        count *= 2 if kind == _RATIONAL else 1
        length = size * min(count, _MOST_VALUES)
        if size * count > self.wide:
            place = int.from_bytes(content, order)
            content = self.data[place : place + length]
            if len(content) < length:
                return ()  # whoever needs it says so
        return tuple(int.from_bytes(content[i : i + size], order) for i in range(0, length, size or 1))


def _page(tags: dict[int, tuple[int, ...]], place: int) -> Page:
    def first(tag: int, default: int) -> int:
        return (tags.get(tag) or (default,))[0]

    samples = first(277, 1)
    if not 1 <= samples < 1 << 16:
        raise DamagedSignal(f"a page of the TIFF has {samples} samples a pixel: it is corrupt")
    subfile = first(254, 0) | (_REDUCED if first(255, 1) == _OLD_REDUCED else 0)
    description = bytes(code & 255 for code in tags.get(270, ()))
    page = Page(
        place=place,
        width=first(256, 0),
        height=first(257, 0),
        bits=tags.get(258) or (1,),
        formats=tags.get(339) or (1,),
        photometric=tags[262][0] if tags.get(262) else None,
        samples=samples,
        extra=tags.get(338, ()),
        orientation=first(274, 1) if 1 <= first(274, 1) <= 8 else 1,
        inks=first(332, 1),
        compression=first(259, 1),
        subfile=subfile,
        apart=first(284, 1) == _APART,
        lowest_first=first(266, 1) == _LOWEST_FIRST,
        as_jpeg=_near(tags.get(529, ()), _WEIGHTS) and _near(tags.get(532, ()), _BLACK_AND_WHITE),
        planes=_MANY_PLANES in tags or first(32997, 1) > 1,
        nested=_SUBDIRECTORIES in tags,
    )
    return replace(page, planes=True) if _describes_planes(description, page) else page


def _near(found: tuple[int, ...], usual: tuple[float, ...]) -> bool:
    """Whether rationals, numerator and denominator in turn, are the usual numbers, or left out."""
    pairs = list(zip(found[::2], found[1::2], strict=False))
    return not found or (
        len(pairs) == len(usual)
        and all(
            below and abs(above / below - number) <= _NEARLY * max(1.0, number)
            for (above, below), number in zip(pairs, usual, strict=True)
        )
    )


def _describes_planes(description: bytes, page: Page) -> bool:
    """Whether the description of ImageJ or tifffile speaks of more than one plane behind a single directory."""
    if description.startswith(b"ImageJ="):
        return any(
            line.startswith(b"images=") and line[7:].strip().isdigit() and int(line[7:]) > 1
            for line in description.splitlines()
        )
    if description.startswith(b'{"shape": ['):
        sides = description[11:].partition(b"]")[0].split(b",")
        if all(side.strip().isdigit() for side in sides):
            count = 1
            for side in sides:
                count *= int(side)
            return count > page.width * page.height * page.samples
    return False
