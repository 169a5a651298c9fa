/** The same fit by other means: curl, Python, and the command line; keys are named by variables, never written out. */

const quoted = (/** @type {string} */ text) => `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * @param {string} address of the service
 * @param {any} spec the request
 * @param {string} name of the file
 * @param {boolean} withKey
 * @returns {[string, string][]} what it is for, and the text
 */
export function recipes(address, spec, name, withKey) {
  const asked = Object.fromEntries(Object.entries(spec ?? {}).filter(([, value]) => value !== null && value !== undefined));
  delete asked.version;
  const target = Object.entries(asked.target ?? {}).filter(([, value]) => value !== null);
  const words = { psnr_db: "psnr", max_error: "error", bits_per_sample: "bits" };
  const aim = target.length ? `${/** @type {any} */ (words)[target[0][0]] ?? target[0][0]}=${target[0][1]}` : null;
  const key = withKey ? ` -H "Authorization: Bearer $TUNER_API_KEY"` : "";
  const body = JSON.stringify({ signal_id: "SIGNAL", target: asked.target ? Object.fromEntries(target) : undefined, preset: asked.preset, seed: asked.seed });
  const curl = [
    `signal=$(curl -fsS${key} -F file=@${quoted(name)} ${address}/signals | jq -r .id)`,
    `curl -fsS${key} -H "Content-Type: application/json" \\`,
    `  -d "$(jq -n --arg id "$signal" ${quoted(`${body} | .signal_id = $id`)})" ${address}/fits`,
  ].join("\n");
  const python = [
    "import os",
    "",
    "from tuner_client import Client",
    "",
    `with Client(${JSON.stringify(address)}${withKey ? ', api_key=os.environ["TUNER_API_KEY"]' : ""}) as client:`,
    `    fit = client.submit(${JSON.stringify(name)}${aim ? `, target=${JSON.stringify(aim)}` : ""}${asked.preset ? `, preset=${JSON.stringify(asked.preset)}` : ""})`,
    "    client.wait(fit.id)",
    `    client.download(fit.id, ${JSON.stringify(`${name.replace(/\.[^.]*$/, "")}.tnr`)})`,
  ];
  const shell = [`tuner submit ${quoted(name)} --server ${address}`, aim && `--target ${aim}`, asked.preset && `--preset ${asked.preset}`, `-o ${quoted(`${name.replace(/\.[^.]*$/, "")}.tnr`)}`];
  return [
    ["curl", curl],
    ["Python", (withKey ? python : python.slice(2)).join("\n")],
    ["Command line", shell.filter(Boolean).join(" ")],
  ];
}
