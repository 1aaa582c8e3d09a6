// node-postgres: text results, named statements, cursors, COPY streams, notifications; prints the same transcript.
import pg from 'pg';
import Cursor from 'pg-cursor';
import { to as copyTo, from as copyFrom } from 'pg-copy-streams';
import { readFileSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';

const env = process.env;
// Cells as the text that came: this driver's own guesses about dates are not under test.
const types = { getTypeParser: () => (value) => (Buffer.isBuffer(value) ? { hex: value.toString('hex') } : value) };
const options = {
  host: env.TARGET_HOST, port: Number(env.TARGET_PORT), user: env.TARGET_USER, password: env.TARGET_PASSWORD,
  database: env.TARGET_DATABASE, application_name: 'node-transcript', connectionTimeoutMillis: 10000, types,
  ssl: env.TARGET_CA ? { ca: readFileSync(env.TARGET_CA), servername: 'localhost' } : false,
};

const sorted = (value) => {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === undefined) return null;
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
};
const emit = (name, result) => console.log(JSON.stringify(sorted({ result, step: name })));
async function step(name, action) {
  try {
    emit(name, await action());
  } catch (error) {
    emit(name, { error: [error.code ?? null, error.severity ?? null, error.message, error.position ?? null] });
  }
}

const client = new pg.Client(options);
await client.connect();
const rows = async (text, values) => (await client.query({ text, values, rowMode: 'array' })).rows;
const masked = async (text, values, name) => {
  const { fields, rows: found } = await client.query({ text, values, name, rowMode: 'array' });
  return { columns: fields.map((field) => field.name), rows: found };
};

await step('select', () => rows('SELECT code, title FROM analytics.icd10 ORDER BY code'));
await step('types', () => rows('SELECT * FROM analytics.type_zoo WHERE id IN (1, 3) ORDER BY id'));
await step('binary', async () => (await client.query({ text: 'SELECT v_int4, v_text, v_bytea FROM analytics.type_zoo WHERE id = $1', values: [1], binary: true, rowMode: 'array' })).rows);
await step('parameters', () => rows('SELECT $1::int + 1, $2::text, $3::jsonb', [41, "a'b", { a: [1] }]));
await step('named statement', async () => {
  const found = [];
  for (const code of ['I10', 'O80', 'nope', 'I10']) {
    found.push((await client.query({ name: 'by-code', text: 'SELECT title FROM analytics.icd10 WHERE code = $1', values: [code], rowMode: 'array' })).rows);
  }
  return found;
});
await step('several statements', async () => (await client.query('SELECT 1 AS a; SELECT 2 AS b')).map((r) => [r.command, r.rows]));
await step('queued queries', () => Promise.all([1, 2, 3, 4].map((n) => rows('SELECT $1::int * 10', [n]))));
await step('transaction', async () => {
  await client.query('BEGIN');
  await client.query("INSERT INTO analytics.scratch VALUES (4000, 'node', 1, NULL)");
  await client.query('ROLLBACK');
  return rows('SELECT count(*) FROM analytics.scratch WHERE id = 4000');
});
await step('cursor', async () => {
  const cursor = client.query(new Cursor('SELECT day::text, occupied FROM analytics.bed_census WHERE department_id = $1 ORDER BY day', [3], { rowMode: 'array' }));
  const found = [...(await cursor.read(3)), ...(await cursor.read(4))];
  await cursor.close();
  return found;
});
await step('copy out', async () => {
  const chunks = [];
  for await (const chunk of client.query(copyTo('COPY analytics.departments TO STDOUT'))) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
});
await step('copy in', async () => {
  await client.query('DELETE FROM analytics.scratch WHERE id BETWEEN 4100 AND 4199');
  const lines = Array.from({ length: 50 }, (_, n) => `${4100 + n}\tline ${n}\t${n}\t\\N\n`);
  await pipeline(Readable.from(lines), client.query(copyFrom('COPY analytics.scratch FROM STDIN')));
  const found = await rows('SELECT count(*), sum(amount) FROM analytics.scratch WHERE id BETWEEN 4100 AND 4199');
  await client.query('DELETE FROM analytics.scratch WHERE id BETWEEN 4100 AND 4199');
  return found;
});
await step('notification', () => new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error('no notification')), 5000).unref();
  client.once('notification', (note) => resolve([note.channel, note.processId === client.processID]));
  client.query('LISTEN chime').then(() => client.query('NOTIFY chime')).catch(reject);
}));
await step('notice', () => new Promise((resolve, reject) => {
  client.once('notice', (notice) => resolve([notice.code, notice.severity, notice.message]));
  client.query('COMMIT').catch(reject);
}));
for (const bad of ['SELECT 1/0', 'SELECT * FROM analytics.nope', 'SELEC']) await step(`error: ${bad}`, () => rows(bad));
await step('error in an extended query', () => rows('SELECT 1/$1::int', [0]));
await step('after errors', () => rows("SELECT 'fine'"));
await step('masked simple', () => masked('SELECT id, mrn, ssn, full_name, dob, phone, email, zip, account_no, portal_id, contact, aliases, photo, height_cm, insured, notes FROM patients WHERE id <= 20 ORDER BY id'));
await step('masked extended', () => masked('SELECT id, mrn, ssn, full_name, state FROM patients WHERE id <= $1 ORDER BY id', [20]));
await step('masked named', async () => {
  await masked('SELECT id, ssn, state FROM patients WHERE id = $1', [1], 'one-patient');
  return masked('SELECT id, ssn, state FROM patients WHERE id = $1', [2], 'one-patient');
});
await step('masked cursor', async () => {
  const cursor = client.query(new Cursor('SELECT id, ssn, full_name, state FROM patients WHERE id <= $1 ORDER BY id', [30], { rowMode: 'array' }));
  const found = [];
  for (let portion; (portion = await cursor.read(7)).length;) found.push(...portion);
  await cursor.close();
  return { columns: ['id', 'ssn', 'full_name', 'state'], rows: found };
});
await client.end();
emit('closed', true);
