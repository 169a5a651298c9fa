// Digests of integers and values of many files, by an instance of the core for each: node digests.mjs MODULE CASES
// A case is four 32-bit lengths and as many pieces: description, coded bytes, levels that are wanted, network.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const [wasm, cases] = process.argv.slice(2).map((path) => readFileSync(path));
const module = new WebAssembly.Module(wasm);
const words = (data) => new DataView(data.buffer, data.byteOffset, data.byteLength);

const digestsOf = (description, coded, levels, network) => {
  const core = new WebAssembly.Instance(module).exports;
  const bytes = (address, size) => new Uint8Array(core.memory.buffer, address >>> 0, size);
  const put = (data, address) => bytes(address, data.length).set(data);
  const expectFine = (answer) => {
    if (answer !== 0) throw new Error(`the core answered ${answer}`);
  };
  put(description, core.core_description());
  expectFine(core.core_prepare());
  put(coded, core.core_coded_room(coded.length));
  core.core_want_levels(words(levels).getUint32(0, true));
  expectFine(core.core_decode());
  const integers = createHash("sha256").update(bytes(core.core_integers(), 4 * core.core_integer_count()));
  put(network, core.core_network_room(network.length / 4));
  expectFine(core.core_pixels());
  const [axes, channels] = [words(description).getUint32(4, true), words(network).getUint32(4, true)];
  const samples = [0, 1, 2, 3].map((axis) => words(description).getUint32(16 + 4 * axis, true));
  const row = 4 * channels * samples.slice(axes > 1 ? 1 : 0).reduce((product, count) => product * count, 1);
  const values = createHash("sha256");
  for (let rows = core.core_next(); rows; rows = core.core_next()) values.update(bytes(core.core_values(), rows * row));
  return `${integers.digest("hex")} ${values.digest("hex")}`;
};

for (let at = 0; at < cases.length; ) {
  const lengths = [0, 1, 2, 3].map((piece) => words(cases).getUint32(at + 4 * piece, true));
  at += 16;
  const pieces = lengths.map((length) => cases.subarray(at, (at += length)));
  console.log(digestsOf(...pieces));
}
