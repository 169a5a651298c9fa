// Coded bytes to values, by one instance of the core: node values.mjs MODULE DESCRIPTION CODED NETWORK > VALUES
import { readFileSync, writeSync } from "node:fs";

const [wasm, description, coded, network] = process.argv.slice(2).map((path) => readFileSync(path));
const core = new WebAssembly.Instance(new WebAssembly.Module(wasm)).exports;
const bytes = (address, size) => new Uint8Array(core.memory.buffer, address >>> 0, size);
const put = (data, address) => bytes(address, data.length).set(data);
const expectFine = (answer) => {
  if (answer !== 0) throw new Error(`the core answered ${answer}`);
};

put(description, core.core_description());
expectFine(core.core_prepare());
put(coded, core.core_coded_room(coded.length));
expectFine(core.core_decode());
put(network, core.core_network_room(network.length / 4));
expectFine(core.core_pixels());
const words = new DataView(description.buffer, description.byteOffset);
const samples = [0, 1, 2, 3].map((axis) => words.getUint32(16 + 4 * axis, true));
const channels = new DataView(network.buffer, network.byteOffset).getUint32(4, true);
const axes = words.getUint32(4, true);
const row = 4 * channels * samples.slice(axes > 1 ? 1 : 0).reduce((product, count) => product * count, 1);
for (let rows = core.core_next(); rows; rows = core.core_next()) writeSync(1, bytes(core.core_values(), rows * row));
