/** Header and chunks of a .tnr file, or of its beginning: checksums and limits are held here. */
import { ByteReader, crc32c } from "./bytes.js";
import { unpackCbor } from "./cbor.js";
import { TnrError, corrupt } from "./errors.js";
import { checkLimit, product } from "./limits.js";
import { weightsOf } from "./networks.js";

/** @typedef {import("./limits.js").Limits} Limits */
/** @typedef {{missing: number, end: number, crc: number}} Place end: bytes of the network's payload */
/**
 * @typedef {object} Header
 * @property {string} kind
 * @property {string} sampleFormat
 * @property {number} chunks
 * @property {number[]} shape
 * @property {number} channels
 * @property {number} period
 * @property {number} frequencies
 * @property {number[]} widths
 */
/**
 * @typedef {object} Container
 * @property {Header} header
 * @property {Map<number, Uint8Array>} payloads of the chunks that are known; the last one may be cut
 * @property {number} networkAt offset of the network's payload in the file
 * @property {number} networkBytes length of that payload, which need not be there
 * @property {number} chunksRead
 * @property {boolean} isCut whether the end of the file is missing
 */

export const CHUNK = { sines: 0x01, scaledSines: 0x03, windows: 0x04, wavelets: 0x07, tiles: 0x08, profile: 0x81, metadata: 0x82, places: 0x83 };
const NETWORK_CHUNKS = [CHUNK.sines, CHUNK.scaledSines, CHUNK.windows, CHUNK.wavelets, CHUNK.tiles];
const KNOWN_CHUNKS = new Set(Object.values(CHUNK));
const KINDS = ["image", "audio", "volume", "video", "sdf", "array"];
const SAMPLE_FORMATS = ["u8", "u16", "s8", "s16", "s24", "u32", "s32", "u64", "s64", "f32", "f64", "f16"];
const CHUNK_HEAD = 6;
const CHECKSUM = 4;

/**
 * @param {number} code counted from 1
 * @param {string[]} names
 * @param {string} what
 */
function named(code, names, what) {
  if (code >= 1 && code <= names.length) return names[code - 1];
  throw new TnrError("unsupported_version", `${what} is ${code}, this reader knows 1 to ${names.length}: use a newer one`);
}

/**
 * @param {ByteReader} reader
 * @param {Limits} limits
 * @returns {Header}
 */
function readHeader(reader, limits) {
  const magic = reader.bytes.subarray(0, 4);
  if (magic.length < 4 || magic[0] !== 0xf5 || magic[1] !== 0x54 || magic[2] !== 0x4e || magic[3] !== 0x52) {
    throw new TnrError("not_a_representation", "the bytes do not begin with F5 54 4E 52: this is not a .tnr file");
  }
  reader.take(4, "magic");
  const major = reader.byte("major version");
  reader.byte("minor version");
  if (major !== 1) throw new TnrError("unsupported_version", `the file has format version ${major}, this reader knows 1: use a newer one`);
  const field = (/** @type {string} */ name) => `header field ${name}`;
  /** @type {(count: number, name: string) => number[]} */
  const varints = (count, name) => Array.from({ length: count }, () => reader.varint(field(name)));
  const [kind, format, coder] = ["kind", "sample_format", "coder"].map((name) => reader.byte(field(name)));
  const chunks = reader.varint(field("chunks"));
  const shape = varints(reader.byte(field("dimensions")), "shape");
  const channels = reader.varint(field("channels"));
  const period = reader.float(field("period"));
  const frequencies = reader.varint(field("frequencies"));
  const widths = varints(reader.byte(field("layers")), "widths");
  const end = reader.at;
  if (reader.checksum("header checksum") !== crc32c(reader.bytes.subarray(0, end))) {
    throw corrupt("the checksum of the header differs");
  }
  if (coder !== 1) throw new TnrError("unsupported_version", `coder is ${coder}, this reader knows 1: use a newer one`);
  if (![shape.length, widths.length, channels, frequencies, ...shape, ...widths].every((count) => count >= 1)) {
    throw corrupt("a count of the header is 0, expected at least 1");
  }
  if (!(Number.isFinite(period) && period > 2)) throw corrupt(`header field period is ${period}, expected a finite number above 2`);
  const header = {
    kind: named(kind, KINDS, "kind"),
    sampleFormat: named(format, SAMPLE_FORMATS, "sample_format"),
    ...{ chunks, shape, channels, period, frequencies, widths },
  };
  const samples = product(shape);
  const weights = weightsOf(header);
  checkLimit(limits, "chunks", chunks);
  checkLimit(limits, "axes", shape.length);
  checkLimit(limits, "channels", channels);
  checkLimit(limits, "samples", samples);
  checkLimit(limits, "values", samples * channels);
  checkLimit(limits, "weights", weights);
  checkLimit(limits, "work", samples * weights);
  return header;
}

/**
 * @param {Uint8Array} bytes from the first one of the file on
 * @param {Limits} limits
 * @param {boolean} isWhole whether these are all bytes of the file; if not, its end may be missing
 * @returns {Container}
 */
export function readContainer(bytes, limits, isWhole) {
  checkLimit(limits, "file_bytes", bytes.length);
  const reader = new ByteReader(bytes);
  const header = readHeader(reader, limits);
  /** @type {Container} */
  const found = { header, payloads: new Map(), networkAt: 0, networkBytes: 0, chunksRead: 0, isCut: false };
  while (found.chunksRead < header.chunks && !found.isCut) {
    found.isCut = !isWhole && reader.remaining < CHUNK_HEAD;
    if (!found.isCut) readChunk(reader, limits, isWhole, found);
  }
  if (found.isCut) return found;
  expectEnd(reader, found);
  return found;
}

/**
 * @param {ByteReader} reader
 * @param {Container} found
 */
export function expectEnd(reader, { payloads }) {
  if (reader.remaining) throw corrupt(`${reader.remaining} bytes follow the last chunk, expected none`);
  const networks = NETWORK_CHUNKS.filter((type) => payloads.has(type)).length;
  if (networks !== 1) throw corrupt(`the file has ${networks || "no"} network chunks, expected one`);
}

/**
 * @param {ByteReader} reader
 * @param {Limits} limits
 * @param {boolean} isWhole
 * @param {Container} found
 */
export function readChunk(reader, limits, isWhole, found) {
  const what = `chunk ${++found.chunksRead} of ${found.header.chunks}`;
  const start = reader.at;
  const [type, length] = [reader.byte(what), reader.varint(what)];
  if (isWhole || type !== CHUNK.tiles) checkLimit(limits, "chunk_bytes", length);
  found.isCut = !isWhole && length + CHECKSUM > reader.remaining;
  const at = reader.at;
  const payload = reader.take(found.isCut ? Math.min(length, reader.remaining) : length, what);
  const end = reader.at;
  if (!found.isCut && reader.checksum(what) !== crc32c(reader.bytes.subarray(start, end))) {
    throw new TnrError("corrupt_file", `the checksum of ${what} differs: the file is damaged, fetch it again`);
  }
  if (KNOWN_CHUNKS.has(type)) {
    if (found.payloads.has(type)) throw corrupt(`chunk type ${type} occurs twice, expected once`);
    found.payloads.set(type, payload);
    if (NETWORK_CHUNKS.includes(type)) [found.networkAt, found.networkBytes] = [at, length];
  } else if (type < 0x80) {
    throw new TnrError("unsupported_version", `chunk type ${type} is unknown and may not be skipped: use a newer reader`);
  }
}

/**
 * Places at which a reader may stop, the shortest first.
 * @param {Uint8Array | undefined} payload of chunk 83
 * @returns {Place[]}
 */
export function readPlaces(payload) {
  if (!payload) return [];
  const reader = new ByteReader(payload);
  const count = reader.byte("number of prefixes");
  if (count < 1) throw corrupt("the number of prefixes is 0, expected at least 1");
  let end = 0;
  const places = Array.from({ length: count }, (_, index) => {
    end += reader.varint("length of a prefix");
    return { missing: count - index, end, crc: reader.checksum("checksum of a prefix") };
  });
  if (reader.remaining) throw corrupt(`${reader.remaining} bytes follow the last prefix, expected none`);
  return places;
}

/**
 * Places as far as which bytes of a network's payload reach, undamaged.
 * @param {Place[]} places
 * @param {Uint8Array} payload
 */
export function reachedOf(places, payload) {
  let [crc, from] = [0, 0];
  return places.filter(({ end, crc: expected }) => {
    if (payload.length < end) return false;
    crc = crc32c(payload.subarray(from, end), crc);
    from = end;
    return crc === expected;
  });
}

/**
 * Scale and offset of samples, and what the kind keeps; FORMAT.md has the tables of keys.
 * @param {Uint8Array | undefined} payload of chunk 82
 * @param {string} kind
 * @returns {{scaling: {scale: number, offset: number} | null, details: Record<string, unknown> | null, report: Record<string, unknown>}}
 */
export function readMetadata(payload, kind) {
  if (!payload) return { scaling: null, details: null, report: {} };
  const entries = unpackCbor(payload);
  if (!(entries instanceof Map)) throw corrupt("the metadata are no map");
  const [details, report] = [entries.get("details"), entries.get("report") ?? new Map()];
  if (!(details === undefined || details === null || details instanceof Map) || !(report instanceof Map)) {
    throw corrupt("details and report are no maps");
  }
  let scaling = null;
  if (entries.has("scale") || entries.has("offset")) {
    const [scale, offset] = [entries.get("scale"), entries.get("offset") ?? 0];
    if (!(typeof scale === "number" && scale > 0 && typeof offset === "number")) {
      throw corrupt(`scale is ${scale} and offset ${offset}, expected numbers, the scale above 0`);
    }
    scaling = { scale, offset };
  }
  const plain = details instanceof Map ? Object.fromEntries(details) : null;
  if (plain) checkDetails(plain, kind);
  return { scaling, details: plain, report: Object.fromEntries(report) };
}

/**
 * @param {Record<string, unknown>} details
 * @param {string} kind
 */
function checkDetails(details, kind) {
  const isCount = (/** @type {unknown} */ value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) < 2 ** 31;
  const isList = (/** @type {unknown} */ value, /** @type {number} */ length, /** @type {(value: unknown) => boolean} */ test) =>
    Array.isArray(value) && value.length === length && value.every(test);
  /** @type {Record<string, () => boolean>} */
  const fine = {
    audio: () => isCount(details.sample_rate),
    video: () => isList(details.rate, 2, isCount),
    sdf: () => isList(details.origin, 3, Number.isFinite) && isList(details.spacing, 3, Number.isFinite),
  };
  if (fine[kind] && !fine[kind]()) throw corrupt(`the details cannot be those of a signal of kind ${kind}`);
}
