// Holds rendered manifests (YAML as JSON, on standard input) to the JSON schemas of Kubernetes, KEDA and the Prometheus
// operator that the npm packages of kubernetes-models carry.
//   node kubernetes.mjs FOLDER-OF-NODE-MODULES

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import path from "node:path";

const require = createRequire(path.resolve(process.argv[2], "index.js"));
const packages = { "keda.sh": "@kubernetes-models/keda", "monitoring.coreos.com": "@kubernetes-models/prometheus-operator" };
let failed = 0;
const manifests = JSON.parse(readFileSync(0, "utf8"));
for (const manifest of manifests) {
  const group = manifest.apiVersion.includes("/") ? manifest.apiVersion.split("/")[0] : "";
  const name = packages[group] ?? "kubernetes-models";
  const Model = require(path.resolve(process.argv[2], name, manifest.apiVersion, `${manifest.kind}.js`))[manifest.kind];
  try {
    new Model(manifest).validate();
  } catch (error) {
    failed += 1;
    console.error(`${manifest.kind}/${manifest.metadata.name}: ${error.message}`);
  }
}
console.log(`kubernetes: ${manifests.length - failed} of ${manifests.length} manifests are valid`);
process.exitCode = failed || manifests.length === 0 ? 1 : 0;
