/** What is worked out from numbers of a file: spectra, shares of bits, counts. No part of a page is touched here. */

/**
 * The Fourier transform in place, of a power of two of numbers.
 * @param {Float64Array} real
 * @param {Float64Array} imaginary
 */
function transform(real, imaginary) {
  const count = real.length;
  for (let from = 1, to = 0; from < count; from++) {
    let bit = count >> 1;
    for (; to & bit; bit >>= 1) to ^= bit;
    to ^= bit;
    if (from < to) {
      [real[from], real[to]] = [real[to], real[from]];
      [imaginary[from], imaginary[to]] = [imaginary[to], imaginary[from]];
    }
  }
  for (let size = 2; size <= count; size *= 2) {
    const half = size / 2;
    for (let place = 0; place < half; place++) {
      const [cosine, sine] = [Math.cos((-2 * Math.PI * place) / size), Math.sin((-2 * Math.PI * place) / size)];
      for (let one = place; one < count; one += size) {
        const other = one + half;
        const [re, im] = [real[other] * cosine - imaginary[other] * sine, real[other] * sine + imaginary[other] * cosine];
        [real[other], imaginary[other]] = [real[one] - re, imaginary[one] - im];
        [real[one], imaginary[one]] = [real[one] + re, imaginary[one] + im];
      }
    }
  }
}

/** @param {number} place @param {number} count */
const hann = (place, count) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (place + 0.5)) / count);

/**
 * Magnitudes of a picture's spectrum in decibels below the largest, frequency 0 in the middle.
 * @param {Float32Array} values brightness, line by line
 * @param {number} lines a power of two, as are the columns
 * @param {number} columns
 */
export function spectrumOf(values, lines, columns) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const real = Float64Array.from(values, (value, at) => (value - mean) * hann(Math.floor(at / columns), lines) * hann(at % columns, columns));
  const imaginary = new Float64Array(real.length);
  for (let line = 0; line < lines; line++) {
    transform(real.subarray(line * columns, (line + 1) * columns), imaginary.subarray(line * columns, (line + 1) * columns));
  }
  const power = new Float64Array(real.length);
  for (let column = 0; column < columns; column++) {
    const re = Float64Array.from({ length: lines }, (_, line) => real[line * columns + column]);
    const im = Float64Array.from({ length: lines }, (_, line) => imaginary[line * columns + column]);
    transform(re, im);
    for (let line = 0; line < lines; line++) {
      const to = ((line + lines / 2) % lines) * columns + ((column + columns / 2) % columns);
      power[to] = re[line] ** 2 + im[line] ** 2;
    }
  }
  return decibelsBelowLargest(power);
}

/** @param {Float64Array} power */
function decibelsBelowLargest(power) {
  const largest = power.reduce((most, one) => Math.max(most, one), 1e-300);
  return power.map((one) => 10 * Math.log10(Math.max(one / largest, 1e-12)));
}

/** @param {number} place @param {number} count */
const mirrored = (place, count) => (place < 0 ? -place - 1 : place >= count ? 2 * count - 1 - place : place);

/**
 * A spectrogram in decibels below the largest, window by window, low frequencies first.
 * @param {Float32Array} samples
 * @param {number} most windows
 */
export function spectrogramOf(samples, most) {
  const size = 2 ** Math.max(4, Math.min(10, Math.floor(Math.log2(samples.length / 16))));
  const step = Math.max(size / 4, Math.ceil(samples.length / most));
  const windows = Math.max(1, Math.ceil(samples.length / step));
  const bins = size / 2;
  const power = new Float64Array(windows * bins);
  for (let window = 0; window < windows; window++) {
    const start = Math.round(window * step - size / 2);
    // Mirrored at the ends: silence beyond them would be heard as a click.
    const real = Float64Array.from({ length: size }, (_, at) => (samples[mirrored(start + at, samples.length)] ?? 0) * hann(at, size));
    const imaginary = new Float64Array(size);
    transform(real, imaginary);
    for (let bin = 0; bin < bins; bin++) power[window * bins + bin] = real[bin] ** 2 + imaginary[bin] ** 2;
  }
  return { windows, bins, decibels: decibelsBelowLargest(power) };
}

/**
 * Where the bits of a picture of wavelets are, estimated: a latent takes what its magnitude takes among all of its
 * subband, spread over what it covers, and all together the size of the file.
 * @param {import("../tnr.js").Network} network
 * @param {number[]} shape of the picture
 * @param {number} bits of the file
 * @param {number} cell samples along a side of a cell, a power of two
 */
export function bitsByCell({ latents, levels }, shape, bits, cell) {
  const [lines, columns] = shape.map((count) => Math.ceil(count / cell));
  const found = new Float64Array(lines * columns);
  let at = 0;
  levels.forEach(({ nodes: [height, width], subbands }, level) => {
    const spacing = 2 ** Math.min(levels.length - 1, levels.length - level);
    for (let subband = 0; subband < subbands; subband++, at += height * width) {
      const some = latents.subarray(at, at + height * width);
      // Low-pass latents are coded as differences from their neighbours.
      const coded = level ? some : some.map((value, node) => (node ? value - some[node - 1] : value));
      const prices = pricesOf(coded);
      coded.forEach((value, node) => {
        const price = prices.get(Math.abs(value)) ?? 0;
        const [top, left] = [(Math.floor(node / width) * spacing) / cell, ((node % width) * spacing) / cell];
        const side = Math.max(1, spacing / cell);
        for (let line = Math.floor(top); line < Math.min(lines, Math.floor(top) + side); line++) {
          for (let column = Math.floor(left); column < Math.min(columns, Math.floor(left) + side); column++) {
            found[line * columns + column] += price / side ** 2;
          }
        }
      });
    }
  });
  const all = found.reduce((sum, one) => sum + one, 0) || 1;
  return { lines, columns, bits: found.map((one) => (one * bits) / all) };
}

/**
 * Bits of each magnitude, by how often it occurs, with its sign.
 * @param {Int32Array} values
 */
function pricesOf(values) {
  /** @type {Map<number, number>} */
  const counts = new Map();
  for (const value of values) counts.set(Math.abs(value), (counts.get(Math.abs(value)) ?? 0) + 1);
  return new Map([...counts].map(([size, count]) => [size, Math.log2(values.length / count) + (size ? 1 : 0)]));
}

/**
 * How many numbers lie in each of some equal parts of -reach ... reach; those beyond are in the outermost.
 * @param {Float32Array} numbers
 * @param {number} parts
 */
export function histogramOf(numbers, parts) {
  const sizes = numbers.map(Math.abs).sort();
  const reach = sizes[Math.floor(0.999 * (sizes.length - 1))] || 1;
  const counts = new Array(parts).fill(0);
  for (const number of numbers) counts[Math.max(0, Math.min(parts - 1, Math.floor(((number / reach + 1) / 2) * parts)))]++;
  return { reach, counts };
}

/** A colour for a number from 0 to 1: black, violet, orange, pale yellow. @param {number} share */
export function heat(share) {
  const stops = [[0, 0, 4], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]];
  const place = Math.min(0.9999, Math.max(0, share)) * (stops.length - 1);
  const [from, rest] = [stops[Math.floor(place)], place % 1];
  return from.map((one, channel) => one + rest * (stops[Math.floor(place) + 1][channel] - one));
}

/**
 * Pixels of a map of numbers from 0 to 1.
 * @param {ArrayLike<number>} shares
 */
export function heatPixels(shares) {
  const pixels = new Uint8ClampedArray(4 * shares.length).fill(255);
  for (let at = 0; at < shares.length; at++) pixels.set(heat(shares[at]), 4 * at);
  return pixels;
}
