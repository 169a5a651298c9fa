/** Numbers as a .tnr file writes them, bytes that end too early, and the checksum of bytes. */
import { TnrError, corrupt } from "./errors.js";

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

/**
 * CRC32C (Castagnoli).
 * @param {Uint8Array} bytes
 * @param {number} [before] that of the bytes before these
 * @returns {number} unsigned
 */
export function crc32c(bytes, before = 0) {
  let crc = ~before;
  for (let at = 0; at < bytes.length; at++) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ bytes[at]) & 255];
  return ~crc >>> 0;
}

/** Reads numbers one after the other; little-endian. */
export class ByteReader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining() {
    return this.bytes.length - this.at;
  }

  /**
   * @param {number} count
   * @param {string} what
   */
  take(count, what) {
    if (count > this.remaining) {
      throw new TnrError(
        "corrupt_file",
        `${what} needs ${count} bytes at offset ${this.at}, but ${this.remaining} are left: the file is truncated, fetch it again`,
      );
    }
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  /** @param {string} what */
  byte(what) {
    return this.take(1, what)[0];
  }

  /** @param {string} what */
  varint(what) {
    let value = 0;
    for (let group = 0; group < 5; group++) {
      const byte = this.byte(what);
      value += (byte & 127) * 2 ** (7 * group);
      if (byte < 128) {
        if ((byte === 0 && group > 0) || value >= 2 ** 32) break;
        return value;
      }
    }
    throw corrupt(`${what} is not the shortest varint of an integer below 2^32`);
  }

  /** @param {string} what */
  signed(what) {
    const folded = this.varint(what);
    return folded % 2 ? -(folded + 1) / 2 : folded / 2;
  }

  /** @param {string} what */
  float(what) {
    this.take(4, what);
    return this.view.getFloat32(this.at - 4, true);
  }

  /** @param {string} what */
  checksum(what) {
    this.take(4, what);
    return this.view.getUint32(this.at - 4, true);
  }
}
