// The nearest that SQL comes to the pipeline: CSV to Parquet with one salted
// SHA-256 a cell. Digests do not compress, and trying to takes longer. Its argument is a task as JSON, or "version"; it prints a
// sample as JSON.
import { readFileSync, statSync } from "node:fs";
import { DuckDBInstance, version } from "@duckdb/node-api";

const text = (value) => `'${value.replaceAll("'", "''")}'`;

// normalised is the normal form as far as functions of SQL go: no compatibility
// form of Unicode, lower case for case folding, no runs of white space.
function normalised({ name, fold, ignored }) {
  let cell = `"${name}"`;
  if (fold) cell = `lower(${cell})`;
  if (ignored) cell = `translate(${cell}, ${text(ignored)}, '')`;
  return ignored.includes(" ") ? cell : `trim(${cell})`;
}

function statement(task) {
  const cells = task.columns.map((c) => `sha256(${text(task.key)} || ${normalised(c)}) AS "${c.name}"`);
  const table = `read_csv(${text(task.table)}, header = true, all_varchar = true, delim = ',', quote = '"', escape = '"')`;
  return `COPY (SELECT ${cells.join(", ")} FROM ${table}) TO ${text(task.out)} (FORMAT parquet, COMPRESSION uncompressed)`;
}

function peakMemory() {
  const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
  return found ? Number(found[1]) * 1024 : 0;
}

async function measure(task) {
  const instance = await DuckDBInstance.create(":memory:", { threads: String(task.threads) });
  const connection = await instance.connect();
  const began = process.hrtime.bigint();
  const used = process.cpuUsage();
  const result = await connection.runAndReadAll(statement(task));
  const spent = process.cpuUsage(used);
  const wall = process.hrtime.bigint() - began;
  return {
    wallNanoseconds: Number(wall), cpuNanoseconds: (spent.user + spent.system) * 1000,
    rows: Number(result.getRows()[0][0]), bytes: statSync(task.table).size, peakMemory: peakMemory(),
  };
}

if (process.argv[2] === "version") {
  console.log(version());
} else {
  console.log(JSON.stringify(await measure(JSON.parse(process.argv[2]))));
}
