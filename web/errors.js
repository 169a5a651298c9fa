/** What can go wrong while a .tnr file is read, with the codes that the Python library has. */

/**
 * An error with a code that never changes: programs compare codes, people read messages.
 *
 * Codes: `not_a_representation`, `unsupported_version`, `corrupt_file`, `limit_exceeded`, `config_error`; `unsupported`
 * for what this decoder cannot do yet, `too_short` for a beginning that shows nothing, `fetch_failed`, and `closed`.
 */
export class TnrError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {number} [needed] how many bytes of the file suffice, where too few were there
   */
  constructor(code, message, needed) {
    super(message);
    this.name = "TnrError";
    this.code = code;
    this.needed = needed;
  }
}

/** @param {string} message */
export const corrupt = (message) => new TnrError("corrupt_file", `${message}: the file is damaged`);
