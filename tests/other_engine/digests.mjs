// Digests of what an instance of the core makes of each of many files: node digests.mjs MODULE CASES
// A case is seven 32-bit lengths and as many pieces, which `Case` in agreement.py describes.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const PIECES = [...Array(7).keys()];
const [wasm, cases] = process.argv.slice(2).map((path) => readFileSync(path));
const module = new WebAssembly.Module(wasm);
const view = (data) => new DataView(data.buffer, data.byteOffset, data.byteLength);
const word = (data, index) => view(data).getUint32(4 * index, true);
const product = (numbers) => numbers.reduce((all, each) => all * each, 1);

const digestsOf = (description, coded, levels, network, coordinates, counts, points) => {
  const core = new WebAssembly.Instance(module).exports;
  const bytes = (address, size) => new Uint8Array(core.memory.buffer, address >>> 0, size);
  const put = (data, address) => bytes(address, data.length).set(data);
  const expectFine = (answer) => {
    if (answer !== 0) throw new Error(`the core answered ${answer}`);
  };
  const digest = (address, size) => createHash("sha256").update(bytes(address, size)).digest("hex");
  // All rows that follow, each of so many floats.
  const rows = (floats) => {
    const hash = createHash("sha256");
    for (let count = core.core_next(); count; count = core.core_next())
      hash.update(bytes(core.core_values(), 4 * floats * count));
    return hash.digest("hex");
  };
  const isSines = description.length === 4;
  const axes = word(description, isSines ? 0 : 1);
  const channels = word(network, 1);
  const found = [];
  if (isSines) {
    expectFine(core.core_prepare_sines(axes));
    put(network, core.core_network_room(network.length / 4));
    put(coded, core.core_coded_room(coded.length));
    expectFine(core.core_sines(word(levels, 0)));
    found.push(digest(core.core_network(), 4 * core.core_network_words()));
  } else {
    put(description, core.core_description());
    expectFine(core.core_prepare());
    put(coded, core.core_coded_room(coded.length));
    core.core_want_levels(word(levels, 0));
    expectFine(core.core_decode());
    found.push(digest(core.core_integers(), 4 * core.core_integer_count()));
    put(network, core.core_network_room(network.length / 4));
    expectFine(core.core_pixels());
    const samples = [0, 1, 2, 3].map((axis) => word(description, 4 + axis));
    found.push(rows(channels * product(samples.slice(axes > 1 ? 1 : 0))));
  }
  expectFine(core.core_evaluate());
  const grid = [0, 1, 2, 3].map((axis) => word(counts, axis));
  put(coordinates, core.core_grid_room(...grid));
  expectFine(core.core_grid());
  found.push(rows(channels * product(grid.slice(axes > 1 ? 1 : 0))));
  put(points, core.core_points_room(points.length / 8 / axes));
  expectFine(core.core_points(1));
  found.push(rows(channels * axes));
  return found.join(" ");
};

for (let at = 0; at < cases.length; ) {
  const lengths = PIECES.map((piece) => view(cases).getUint32(at + 4 * piece, true));
  at += 4 * PIECES.length;
  const pieces = lengths.map((length) => cases.subarray(at, (at += length)));
  console.log(digestsOf(...pieces));
}
