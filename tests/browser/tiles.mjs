// What web/tnr.js reads of a file in tiles at an address: node tiles.mjs CORE ADDRESS QUESTION ..., a line of JSON for each.
import { readFileSync } from "node:fs";
import { configure, open } from "../../web/tnr.js";

const [core, address, ...questions] = process.argv.slice(2);
configure({ core: new Uint8Array(readFileSync(core)) });
const read = new Set();
const ask = async (file, { region, shape, at, cancel, every }) => {
  if (cancel) {
    const ending = new AbortController();
    const asked = file.pixels({ region, signal: ending.signal });
    setTimeout(() => ending.abort(), cancel);
    return asked.then(() => "answered", (error) => error.name);
  }
  if (at) return { values: Array.from(await file.at(Float32Array.from(at))), gradients: Array.from(await file.gradient(Float32Array.from(at))) };
  return Array.from((await file.pixels({ region, shape, every })).data);
};
try {
  const file = await open(address);
  for (const question of questions) {
    const answer = await ask(file, JSON.parse(question)).catch(({ code, message }) => ({ code, message }));
    console.log(JSON.stringify({ answer, bytes: file.info.bytes, tiles: file.info.tiles.lengths.length, profile: file.info.profile?.length ?? 0 }));
  }
  file.close();
} catch ({ code, message }) {
  console.log(JSON.stringify({ code, message }));
}
