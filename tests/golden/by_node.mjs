// Answers of web/tnr.js, the core run by Node, to the questions of conformance/check.py: node by_node.mjs CORE
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { configure, open } from "../../web/tnr.js";

configure({ core: new Uint8Array(readFileSync(process.argv[2])) });
const digest = (...arrays) => {
  const hash = createHash("sha256");
  for (const array of arrays) hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  return hash.digest("hex");
};
const numbers = (samples) => Array.from(samples.data, Number);

const answerTo = async ({ file: path, at, beginnings }) => {
  const bytes = new Uint8Array(readFileSync(path));
  const file = await open(bytes);
  const { info } = file;
  const networks = [];
  for (const tile of info.tiles?.lengths.keys() ?? [undefined]) networks.push(await file.network(tile));
  const all = (part) => networks.flatMap((network) => part(network));
  const answer = {
    digests: {
      frequencies: digest(Int32Array.from(all(({ frequencies }) => frequencies.flat()))),
      weights: digest(...all(({ weights }) => weights)),
      latents: digest(...all(({ latents }) => [latents])),
    },
    samples: numbers(await file.pixels({ as: "samples" })),
    beginnings: [],
  };
  for (const count of beginnings) {
    const place = info.places.find(({ end }) => end === count);
    answer.beginnings.push(numbers(await file.pixels({ as: "samples", missing: place.missing })));
  }
  if (at.length) {
    const points = Float32Array.from(at.flat());
    const rows = (values) => at.map((_, row) => Array.from(values.subarray((row * values.length) / at.length, ((row + 1) * values.length) / at.length)));
    answer.values = rows(await file.at(points));
    answer.gradients = rows(await file.gradient(points));
  }
  return answer;
};

for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  let answer;
  try {
    answer = await answerTo(JSON.parse(line));
  } catch (error) {
    if (!error.code) throw error;
    answer = { refused: error.message, code: error.code };
  }
  console.log(JSON.stringify(answer));
}
