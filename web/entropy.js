/** The range coder of weights, and tables in three numbers; latents have a coder of their own, in the core. */
import { corrupt } from "./errors.js";

const BOUND_BITS = 24n;
const WORD_BITS = 32n;
const STATE_MASK = (1n << 64n) - 1n;

/** Reads integers, each with a table, from 32-bit words. */
export class RangeDecoder {
  /** @param {Uint8Array} words */
  constructor(words) {
    this.view = new DataView(words.buffer, words.byteOffset, words.length);
    this.at = 0;
    this.range = STATE_MASK;
    this.distance = (this.word() << WORD_BITS) | this.word();
  }

  word() {
    const word = this.at < this.view.byteLength ? this.view.getUint32(this.at, true) : 0;
    this.at += 4;
    return BigInt(word);
  }

  /**
   * @param {number} count
   * @param {GeometricTable} table
   */
  take(count, table) {
    const found = new Int32Array(count);
    if (!table.largest) return found;
    for (let index = 0; index < count; index++) found[index] = this.symbol(table.bounds) - table.largest;
    return found;
  }

  /** @param {number[]} bounds L_0 ... L_n */
  symbol(bounds) {
    const scale = this.range >> BOUND_BITS;
    const quantile = Number(this.distance / scale);
    if (quantile >= 2 ** 24) throw corrupt("the coded integers do not fit their tables");
    let [low, high] = [0, bounds.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (bounds[middle] <= quantile) low = middle;
      else high = middle;
    }
    this.distance -= scale * BigInt(bounds[low]);
    this.range = scale * BigInt(bounds[low + 1] - bounds[low]);
    if (this.range >> WORD_BITS === 0n) {
      this.range <<= WORD_BITS;
      this.distance = ((this.distance << WORD_BITS) | this.word()) & STATE_MASK;
    }
    return low;
  }

  /** Nothing is left: no word, and of the last ones no more than an encoder may have written to end with. */
  finish() {
    const isAtEnd = this.range === STATE_MASK || this.distance < 2n * 2n ** WORD_BITS - 1n;
    if (this.at < this.view.byteLength || !isAtEnd) throw corrupt("coded integers are left over after the last one");
  }
}

/** How likely each integer of -largest ... largest is. */
export class GeometricTable {
  /**
   * @param {import("./bytes.js").ByteReader} reader
   * @param {string} what
   */
  constructor(reader, what) {
    const [zero, largest, decay] = [reader.varint(what), reader.varint(what), reader.byte(what)];
    if (!(zero >= 1 && zero <= 4096 && largest <= 2047)) {
      throw corrupt(`${what} gives 0 the probability ${zero} / 4096 and goes up to ${largest}, expected 1 to 4096 and at most 2047`);
    }
    this.largest = largest;
    const weights = [];
    for (let weight = 2 ** 16; weights.length < largest; weight = Math.floor((weight * decay) / 256)) weights.push(weight);
    const total = 2 * weights.reduce((sum, weight) => sum + weight, 0);
    const side = weights.map((weight) => Math.floor(((4096 - zero) * weight) / total));
    const rest = 4096 - 2 * side.reduce((sum, frequency) => sum + frequency, 0);
    const frequencies = [...side.slice().reverse(), rest, ...side];
    let below = 0;
    this.bounds = [0, ...frequencies].map((frequency, index) => {
      below += frequency;
      return Math.floor((below * (2 ** 24 - frequencies.length)) / 4096) + index;
    });
  }
}
