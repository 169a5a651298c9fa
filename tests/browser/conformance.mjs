// What web/tnr.js makes of files, a line of JSON for each: node conformance.mjs CORE FILE ...
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { configure, open } from "../../web/tnr.js";

const [core, ...files] = process.argv.slice(2);
configure({ core: new Uint8Array(readFileSync(core)) });
const digest = (array) => createHash("sha256").update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength)).digest("hex");

for (const path of files) {
  let answer;
  try {
    const file = await open(new Uint8Array(readFileSync(path)));
    answer = { info: { ...file.info, profile: file.info.profile?.length ?? 0 } };
    answer.network = [];
    for (const tile of file.info.tiles?.lengths.keys() ?? [undefined]) {
      const { frequencies, weights, latents } = await file.network(tile);
      answer.network.push(digest(Int32Array.from(frequencies.flat())), ...weights.map(digest), digest(latents));
    }
    const samples = await file.pixels({ as: "samples" });
    answer.shape = [...samples.shape, samples.channels];
    answer.samples = Array.from(samples.data);
    answer.values = digest((await file.pixels()).data);
    answer.coarse = [];
    for (const { missing } of file.info.places) answer.coarse.push(digest((await file.pixels({ missing })).data));
  } catch (error) {
    answer = { ...answer, code: error.code ?? "internal", message: error.message };
  }
  console.log(JSON.stringify(answer));
}
