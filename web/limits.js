/** What a reader is ready to spend on a file, checked from its header before memory is taken. */
import { TnrError } from "./errors.js";

/**
 * Names and numbers are those of `DecodeLimits` in Python; `memory` is what one instance of the core may take, in bytes.
 * @typedef {typeof LIMITS} Limits
 */
export const LIMITS = {
  file_bytes: 2 ** 28,
  chunks: 2 ** 10,
  chunk_bytes: 2 ** 27,
  weights: 2 ** 24,
  axes: 4,
  samples: 2 ** 28,
  channels: 64,
  values: 3 * 2 ** 27,
  work: 2 ** 44,
  memory: 2 ** 31,
};

/**
 * @param {Limits} limits
 * @param {keyof Limits} name
 * @param {number} asked
 */
export function checkLimit(limits, name, asked) {
  if (!(asked <= limits[name])) {
    throw new TnrError(
      "limit_exceeded",
      `the file asks for ${asked} ${name.replace("_", " ")}, the limit is ${limits[name]}: ` +
        `if you trust the file, open it with limits: { ${name}: ${asked} }`,
    );
  }
}

/** @param {readonly number[]} numbers */
export const product = (numbers) => numbers.reduce((all, one) => all * one, 1);
