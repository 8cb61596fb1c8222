// The main job with the types that openapi-typescript makes of the OpenAPI document: what does not fit them does not compile.

import { readFileSync } from "node:fs";
import type { components, operations } from "./api.js";

type Dataset = components["schemas"]["DatasetView"];
type Job = components["schemas"]["JobView"];
type JobSpec = components["schemas"]["JobSpec"];
type Event = components["schemas"]["EventView"];

const server = process.env.AUTODENOISE_SERVER ?? "";
const authorization = `Bearer ${process.env.AUTODENOISE_API_KEY ?? ""}`;

async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
    const answer = await fetch(server + path, { ...init, headers: { authorization, ...init.headers } });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
}

async function waitUntil<T>(path: string, isOver: (thing: T) => boolean): Promise<T> {
    for (let tries = 0; tries < 1200; tries++) {
        const thing = await ask<T>(path);
        if (isOver(thing)) return thing;
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`${path} took too long`);
}

const table: NonNullable<operations["upload_table"]["parameters"]["query"]> = {
    label: "click",
    split_column: "split",
    exclude: "timestamp",
    name: "typescript",
};
const query = new URLSearchParams(Object.entries(table).map(([name, value]) => [name, String(value)]));
const made = await ask<Dataset>(`/v1/datasets/table?${query}`, {
    method: "POST",
    headers: { "content-type": "text/csv" },
    body: readFileSync(process.argv[2]!),
});
const dataset = await waitUntil<Dataset>(`/v1/datasets/${made.id}`, (it) => it.status !== "processing");
if (dataset.status !== "ready") throw new Error(JSON.stringify(dataset.errors));

const spec = {
    dataset_id: dataset.id,
    method: { name: "random_drop", backbone: "fm", options: { retrain_max_epoch: 1, select_ratio: 0.9, mlp_dims: [8] } },
    seed: 7,
} satisfies Partial<JobSpec>;
const posted = await ask<Job>("/v1/jobs", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(spec),
});
const job = await waitUntil<Job>(`/v1/jobs/${posted.id}`, (it) => it.is_terminal);
if (job.status !== "succeeded") throw new Error(job.error ?? job.status);
const { data } = await ask<{ data: Event[] }>(`/v1/jobs/${job.id}/events`);
if (!data.some((event) => event.type === "job.succeeded" && typeof event.data === "object")) throw new Error("no last event");
const denoised = await fetch(`${server}/v1/jobs/${job.id}/artifacts/denoised`, { headers: { authorization } });
const kept = await denoised.text();
if (denoised.status !== 200 || !kept.startsWith("user")) throw new Error(`${denoised.status} ${kept.slice(0, 100)}`);
console.log(`openapi-typescript: ${kept.length} bytes of kept rows`);
