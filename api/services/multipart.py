"""The one file in a `multipart/form-data` body, found while the body streams by."""

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from api.errors import MalformedUpload, MissingFile

FIELD = b"file"
MOST_PARTS = 100  # a form has one file and perhaps a few fields; each part costs time to look at
MOST_HEADER_BYTES = 16 * 1024  # of all parts together


class FilePart:
    """Takes a form's bytes as they come and gives back those of its field `file`.

    Args:
        content_type: header Content-Type of the request, with the boundary.

    Raises:
        MalformedUpload: if there is no usable boundary.
    """

    def __init__(self, content_type: str) -> None:
        self.filename: str | None = None
        self._found = False
        self._complete = False
        self._inside = False
        self._header, self._value, self._disposition = b"", b"", b""
        self._bytes: list[bytes] = []
        self._parts = self._header_bytes = 0
        _, options = parse_options_header(content_type)
        if not options.get(b"boundary"):
            raise MalformedUpload("the Content-Type multipart/form-data names no boundary")
        try:
            self._parser = MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._add_to_header,
                    "on_header_value": self._add_to_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._data,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise MalformedUpload(f"the boundary cannot be used: {error}") from error

    def feed(self, chunk: bytes) -> bytes:
        """Read on; returns the bytes of the file among these.

        Raises:
            MalformedUpload: if this is no form, there is a second file, or there is far too much else.
        """
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise MalformedUpload(f"the form cannot be read: {error}") from error
        found, self._bytes = b"".join(self._bytes), []
        return found

    def close(self) -> None:
        """Say that the body has ended.

        Raises:
            MalformedUpload: if the form has not.
            MissingFile: if no field was named `file`.
        """
        if not self._complete:
            raise MalformedUpload("the form ends before its closing boundary")
        if not self._found:
            raise MissingFile("the form has no field 'file': send the signal under that name")

    def _begin(self) -> None:
        self._inside = False
        self._disposition = b""
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise MalformedUpload(f"the form has more than {MOST_PARTS} parts: send one signal, in a field 'file'")

    def _add_to_header(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._header += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._value += data[start:end]

    def _count_header(self, byte_count: int) -> None:
        self._header_bytes += byte_count
        if self._header_bytes > MOST_HEADER_BYTES:
            raise MalformedUpload(f"the headers of the form's parts are longer than {MOST_HEADER_BYTES} bytes")

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        if options.get(b"name") != FIELD:
            return
        if self._found:
            raise MalformedUpload("the form has two fields 'file': send one signal per request")
        self._found = self._inside = True
        if b"filename" in options:
            self.filename = options[b"filename"].decode(errors="replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._bytes.append(data[start:end])

    def _end(self) -> None:
        self._complete = True
