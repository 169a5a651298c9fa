"""Formats that are known by how they begin and not read: each with its name, and what to convert it to.

So that a file of one of them is not called damaged, or taken for a relative that is read, `tuner.signal.formats` asks
here before anything else.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tuner.signal.sound_chunks import without_id3

_PICTURE, _SOUND, _VOLUME = "a PNG or a TIFF", "a WAV or a FLAC", "a .nii (for example with nibabel) or a .npy"
_VIDEO, _MESH, _ARRAY = "an MP4 or a Matroska file", "an OBJ, PLY or STL", "a .npy, one array a file"
_STILL_BRANDS: Final = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis", b"crx "}
_SOUND_BRANDS: Final = {b"M4A ", b"M4B ", b"M4P "}


@dataclass(frozen=True, slots=True)
class Foreign:
    """A format that is not read: what it is called, how it begins, and what such a file is to be converted to."""

    name: str
    advice: str
    begins: Callable[[bytes], bool]


def _starts(*signatures: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(signatures)


FOREIGN: Final = (
    Foreign("a representation (.tnr)", "what it holds by 'tuner decode'", _starts(b"\xf5TNR")),
    Foreign("a text with 16 bits a letter", "plain text (UTF-8)", lambda data: _begins_utf16(data)),
    Foreign("a GIF", _PICTURE, _starts(b"GIF8")),
    Foreign("a BMP", _PICTURE, lambda data: data.startswith(b"BM") and data[6:10] == bytes(4)),
    Foreign("a HEIC, AVIF or CR3", _PICTURE, lambda data: data[4:8] == b"ftyp" and data[8:12] in _STILL_BRANDS),
    Foreign("a JPEG 2000", _PICTURE, _starts(b"\0\0\0\x0cjP  \r\n", b"\xff\x4f\xff\x51")),
    Foreign("a JPEG XL", _PICTURE, _starts(b"\xff\x0a", b"\0\0\0\x0cJXL ")),
    Foreign("an OpenEXR", f"{_PICTURE} of floats", _starts(b"\x76\x2f\x31\x01")),
    Foreign(
        "a QOI, DDS, JPEG XR or Radiance picture", _PICTURE, _starts(b"qoif", b"DDS ", b"II\xbc\x01", b"#?RADIANCE")
    ),
    Foreign(
        "a PNG that Apple's tools changed (CgBI)",
        "a plain PNG (pngcrush -revert-iphone-optimizations)",
        lambda data: data.startswith(b"\x89PNG") and data[12:16] == b"CgBI",
    ),
    Foreign("a Photoshop file", _PICTURE, _starts(b"8BPS")),
    Foreign("a PNM", _PICTURE, lambda data: data[:1] == b"P" and data[1:2] in b"1234567fF" and data[2:3].isspace()),
    Foreign("a picture of vectors", _PICTURE, _starts(b"%PDF", b"%!PS", b"<svg")),
    Foreign("a TIFF of a camera", _PICTURE, _starts(b"IIRO", b"IIRS", b"IIU\0")),
    Foreign("a MetaImage, as an ITK header", _VOLUME, _starts(b"ObjectType", b"NDims")),
    Foreign("an NRRD", _VOLUME, _starts(b"NRRD000")),
    Foreign(
        "a FreeSurfer volume (.mgh, .mgz)",
        _VOLUME,
        lambda data: (
            _inflated(data, 8)[:4] == b"\0\0\0\x01" and 0 < int.from_bytes(_inflated(data, 8)[4:8], "big") < 1 << 16
        ),
    ),
    Foreign("a DICOM", f"{_VOLUME}, all slices of a series in one", lambda data: data[128:132] == b"DICM"),
    Foreign("a MINC or netCDF", _VOLUME, _starts(b"CDF\x01", b"CDF\x02", b"CDF\x05")),
    Foreign(
        "the header of an Analyze 7.5 pair (.hdr and .img)",
        _VOLUME,
        lambda data: (
            len(data) == 348
            and data[:4] in {(348).to_bytes(4, "little"), (348).to_bytes(4, "big")}
            and data[344:348] == bytes(4)
        ),
    ),
    Foreign("an HDF5 (or netCDF 4, MINC 2)", _ARRAY, _starts(b"\x89HDF\r\n\x1a\n")),
    Foreign("a zip archive (.npz, .3mf, .usdz)", f"{_ARRAY}, or a mesh to {_MESH}", _starts(b"PK\x03\x04")),
    Foreign("a MATLAB file", _ARRAY, _starts(b"MATLAB 5.0")),
    Foreign("a FITS", _ARRAY, _starts(b"SIMPLE  =")),
    Foreign("an MP3", _SOUND, lambda data: _begins_mp3(without_id3(data))),
    Foreign("an M4A", _SOUND, lambda data: data[4:8] == b"ftyp" and data[8:12] in _SOUND_BRANDS),
    Foreign("an AIFF", _SOUND, lambda data: data[:4] == b"FORM" and data[8:12] in {b"AIFF", b"AIFC"}),
    Foreign("a WavPack, TTA or DSD sound", _SOUND, _starts(b"wvpk", b"TTA1", b"DSD ")),
    Foreign("an AU sound", _SOUND, _starts(b".snd")),
    Foreign("a CAF sound", _SOUND, _starts(b"caff")),
    Foreign("a Wave64 or big-endian WAV", _SOUND, _starts(b"riff\x2e\x91\xcf\x11", b"RIFX")),
    Foreign("a NUT, IVF or YUV4MPEG video", _VIDEO, _starts(b"nut/multimedia", b"DKIF", b"YUV4MPEG2 ")),
    Foreign("a Flash video", _VIDEO, _starts(b"FLV\x01")),
    Foreign("a Windows Media file", _VIDEO, _starts(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11")),
    Foreign("an MPEG programme or transport stream", _VIDEO, lambda data: _begins_mpeg(data)),
    Foreign("a glTF", _MESH, _starts(b"glTF")),
    Foreign("an OFF mesh", _MESH, _starts(b"OFF\n", b"OFF\r", b"COFF", b"NOFF")),
    Foreign("an FBX", _MESH, _starts(b"Kaydara FBX")),
)


def foreign(data: bytes) -> Foreign | None:
    """The format of a file, if it is one of those that are known and not read."""
    for known in FOREIGN:
        if known.begins(data):
            return known
    return None


def _inflated(data: bytes, count: int) -> bytes:
    """The first bytes of a file, or of what a gzip holds."""
    if not data.startswith(b"\x1f\x8b"):
        return data[:count]
    try:
        return zlib.decompressobj(wbits=31).decompress(data[: 1 << 12], count)
    except zlib.error:
        return b""


def _begins_mp3(data: bytes) -> bool:
    """A frame of MPEG audio: eleven bits of ones, and fields that are not reserved."""
    return (
        len(data) > 4
        and data[0] == 0xFF
        and data[1] & 0xE0 == 0xE0
        and data[1] & 0x18 != 0x08
        and data[1] & 0x06 != 0
        and data[2] & 0xF0 not in {0x00, 0xF0}
        and data[2] & 0x0C != 0x0C
    )


def _begins_utf16(data: bytes) -> bool:
    """The mark of one byte order or the other, and letters of which every other byte is 0."""
    return data[:2] in {b"\xff\xfe", b"\xfe\xff"} and data[2:34].count(0) >= 12


def _begins_mpeg(data: bytes) -> bool:
    return data.startswith(b"\0\0\x01\xba") or (data[:1] == b"G" and data[188:189] == b"G" and data[376:377] == b"G")
