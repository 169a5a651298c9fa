/** The part of CBOR (RFC 8949) that metadata need, in its deterministic encoding only. */
import { ByteReader } from "./bytes.js";
import { corrupt } from "./errors.js";

const CBOR_DEPTH = 8;

/**
 * One value that fills the bytes.
 * @param {Uint8Array} bytes
 * @returns {unknown}
 */
export function unpackCbor(bytes) {
  const reader = new ByteReader(bytes);
  const value = cborValue(reader, CBOR_DEPTH);
  if (reader.remaining) throw corrupt(`${reader.remaining} bytes follow the metadata, expected none`);
  return value;
}

/**
 * @param {ByteReader} reader
 * @param {number} depth
 * @returns {unknown}
 */
function cborValue(reader, depth) {
  if (!depth) throw corrupt(`the metadata are nested more than ${CBOR_DEPTH} deep`);
  const first = reader.byte("metadata");
  const [major, low] = [first >> 5, first & 31];
  if (major === 7) return cborOther(reader, low);
  const argument = cborArgument(reader, low);
  if (major === 0) return argument;
  if (major === 1) return -1 - argument;
  if (major === 2) return reader.take(argument, "metadata").slice();
  if (major === 3) {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(reader.take(argument, "metadata"));
    } catch (error) {
      throw error instanceof TypeError ? corrupt("a word of the metadata is no UTF-8") : error;
    }
  }
  // An entry takes at least a byte, so that a false length cannot ask for memory.
  if ((major !== 4 && major !== 5) || argument > reader.remaining) {
    throw corrupt(`the metadata have an item of type ${major} with ${argument} entries`);
  }
  if (major === 4) return Array.from({ length: argument }, () => cborValue(reader, depth - 1));
  const entries = new Map();
  /** @type {Uint8Array} */
  let last = new Uint8Array(0);
  for (let entry = 0; entry < argument; entry++) {
    const start = reader.at;
    const key = cborValue(reader, depth - 1);
    const written = reader.bytes.subarray(start, reader.at);
    if (typeof key !== "string" || !isAfter(written, last)) throw corrupt("the metadata have a key out of order");
    last = written;
    entries.set(key, cborValue(reader, depth - 1));
  }
  return entries;
}

/**
 * @param {Uint8Array} one
 * @param {Uint8Array} other
 */
function isAfter(one, other) {
  for (let at = 0; at < Math.min(one.length, other.length); at++) if (one[at] !== other[at]) return one[at] > other[at];
  return one.length > other.length;
}

/**
 * @param {ByteReader} reader
 * @param {number} low
 */
function cborArgument(reader, low) {
  if (low < 24) return low;
  if (low > 27) throw corrupt("the metadata have an item of unknown length");
  const size = 1 << (low - 24);
  const argument = reader.take(size, "metadata").reduce((value, byte) => value * 256 + byte, 0);
  if (argument < (size === 1 ? 24 : 2 ** (4 * size))) throw corrupt("the metadata have a number that is not in its shortest form");
  return argument;
}

/**
 * @param {ByteReader} reader
 * @param {number} low
 */
function cborOther(reader, low) {
  if (low === 20 || low === 21) return low === 21;
  if (low === 22) return null;
  if (low < 25 || low > 27) throw corrupt(`the metadata have a value of unknown type ${low}`);
  const bytes = reader.take(1 << (low - 24), "metadata");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const value = low === 25 ? halfFloat(view.getUint16(0)) : low === 26 ? view.getFloat32(0) : view.getFloat64(0);
  if (!Number.isFinite(value) || (low === 26 && isHalfFloat(value)) || (low === 27 && Math.fround(value) === value)) {
    throw corrupt(`the metadata have the number ${value}, expected a finite one in its shortest form`);
  }
  return value;
}

/** @param {number} bits */
function halfFloat(bits) {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}

/** @param {number} value a float32 */
function isHalfFloat(value) {
  const size = Math.abs(value);
  if (size > 65504) return false;
  const step = size < 2 ** -14 ? 2 ** -24 : 2 ** (Math.floor(Math.log2(size)) - 10);
  return Number.isInteger(size / step);
}
