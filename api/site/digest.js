/** SHA-256 (FIPS 180-4) a piece at a time: the browser's own wants a whole file in memory. */

const isPrime = (/** @type {number} */ n) => Array.from({ length: n - 2 }, (_, i) => i + 2).every((d) => d * d > n || n % d !== 0);
const PRIMES = Array.from({ length: 310 }, (_, i) => i + 2).filter(isPrime).slice(0, 64);
const fraction = (/** @type {number} */ x) => ((x - Math.floor(x)) * 2 ** 32) | 0;
const ROUNDS = new Int32Array(PRIMES.map((prime) => fraction(Math.cbrt(prime))));

export class Sha256 {
  constructor() {
    this.state = new Int32Array(PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime))));
    this.words = new Int32Array(64);
    this.rest = new Uint8Array(0);
    this.length = 0;
  }

  /** @param {Uint8Array} given */
  update(given) {
    this.length += given.length;
    const data = new Uint8Array(this.rest.length + given.length);
    data.set(this.rest);
    data.set(given, this.rest.length);
    const view = new DataView(data.buffer);
    let at = 0;
    for (; at + 64 <= data.length; at += 64) this.block(view, at);
    this.rest = data.slice(at);
    return this;
  }

  /** @returns {string} hexadecimal */
  hex() {
    const bits = this.length * 8;
    const padding = new Uint8Array(((119 - (this.length % 64)) % 64) + 9);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, Math.floor(bits / 2 ** 32));
    view.setUint32(padding.length - 4, bits >>> 0);
    this.update(padding);
    return Array.from(this.state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  /**
   * @param {DataView} view
   * @param {number} at
   */
  block(view, at) {
    const { words, state } = this;
    for (let i = 0; i < 16; i++) words[i] = view.getInt32(at + 4 * i);
    for (let i = 16; i < 64; i++) {
      const [early, late] = [words[i - 15], words[i - 2]];
      const s0 = turned(early, 7) ^ turned(early, 18) ^ (early >>> 3);
      const s1 = turned(late, 17) ^ turned(late, 19) ^ (late >>> 10);
      words[i] = words[i - 16] + s0 + words[i - 7] + s1;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const s1 = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
      const first = (h + s1 + ((e & f) ^ (~e & g)) + ROUNDS[i] + words[i]) | 0;
      const second = ((turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => (state[i] += word));
  }
}

const turned = (/** @type {number} */ word, /** @type {number} */ by) => (word >>> by) | (word << (32 - by));
