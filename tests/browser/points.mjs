// Values, derivatives and a magnified region by web/tnr.js, a line of JSON for each file: node points.mjs CORE POINTS FILE ...
import { readFileSync } from "node:fs";
import { configure, open } from "../../web/tnr.js";

const [core, points, ...files] = process.argv.slice(2);
configure({ core: new Uint8Array(readFileSync(core)) });
const wanted = JSON.parse(readFileSync(points, "utf8"));

for (const path of files) {
  const file = await open(new Uint8Array(readFileSync(path)));
  const axes = file.info.shape.length;
  const some = Float32Array.from(wanted.slice(0, Math.floor(wanted.length / axes) * axes));
  const region = file.info.shape.map((count) => [count / 4, count / 2]);
  const shape = file.info.shape.map((count) => count + 3);
  console.log(
    JSON.stringify({
      values: Array.from(await file.at(some)),
      gradients: Array.from(await file.gradient(some)),
      region: Array.from((await file.pixels({ region, shape })).data),
      again: Array.from((await file.pixels({ region: file.info.shape.map((count) => [0, count]), scale: 1.5 })).data.slice(0, 3)),
    }),
  );
}
