// mysql2: text and binary protocol, multiple statements, streaming; prints the same transcript.
import mysql from 'mysql2/promise';
import { readFileSync } from 'node:fs';

const env = process.env;
const conn = await mysql.createConnection({
  host: env.TARGET_HOST, port: Number(env.TARGET_PORT), user: env.TARGET_USER, password: env.TARGET_PASSWORD,
  database: env.TARGET_DATABASE, charset: 'utf8mb4', connectTimeout: 10000, multipleStatements: true, dateStrings: true,
  supportBigNumbers: true, compress: Boolean(env.TARGET_COMPRESS), bigNumberStrings: true, rowsAsArray: true,
  ssl: env.TARGET_CA ? { ca: readFileSync(env.TARGET_CA) } : undefined,
  // A token is sent as it is, over TLS: the driver asks for this to be said.
  authPlugins: { mysql_clear_password: () => () => Buffer.from(`${env.TARGET_PASSWORD}\0`) },
});

const sorted = (value) => {
  if (Buffer.isBuffer(value)) return { hex: value.toString('hex') };
  if (Array.isArray(value)) return value.map(sorted);
  if (value === undefined || value === null) return null;
  if (typeof value !== 'object') return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
};
const emit = (name, result) => console.log(JSON.stringify(sorted({ result, step: name })));
async function step(name, action) {
  try {
    emit(name, await action());
  } catch (error) {
    emit(name, { error: [error.errno ?? null, error.sqlState ?? null, error.message] });
  }
}
const query = async (text, values) => (await conn.query(text, values))[0];
const masked = ([rows, fields]) => ({ columns: fields.map((field) => field.name), rows });
const ZOO = 'SELECT * FROM analytics.type_zoo WHERE id <> 2 ORDER BY id';

await step('types', () => query(ZOO));
await step('types, binary', async () => (await conn.execute(ZOO))[0]);
await step('parameters', async () => (await conn.execute('SELECT ? + 1, ?, ?', [41, "a'b", null]))[0]);
await step('prepared, many times', async () => {
  const found = [];
  for (const code of ['I10', 'O80', 'nope', 'I10']) found.push((await conn.execute('SELECT title FROM analytics.icd10 WHERE code = ?', [code]))[0]);
  return found;
});
await step('several statements', () => query('SELECT 1; SELECT 2, 3; SELECT 4'));
await step('transaction', async () => {
  await conn.beginTransaction();
  await query("INSERT INTO analytics.scratch VALUES (8000, 'node', 1, NULL)");
  await conn.rollback();
  return query('SELECT count(*) FROM analytics.scratch WHERE id = 8000');
});
await step('ping and change of database', async () => {
  await conn.ping();
  await conn.query('USE analytics');
  const found = await query('SELECT database(), count(*) FROM departments');
  await conn.query(`USE ${env.TARGET_DATABASE}`);
  return found;
});
for (const bad of ['SELEC', 'SELECT * FROM analytics.nope', "INSERT INTO analytics.departments VALUES (1, 'X', 'x', 1)"]) await step(`error: ${bad}`, () => query(bad));
await step('error in a prepared statement', () => conn.execute('SELECT * FROM analytics.nope WHERE id = ?', [1]));
await step('after errors', () => query("SELECT 'fine'"));
const PATIENTS = 'SELECT id, mrn, ssn, full_name, dob, sex, phone, email, zip, account_no, portal_id, contact, aliases, photo, height_cm, insured, created_at, notes FROM patients';
await step('masked', async () => masked(await conn.query(`${PATIENTS} WHERE id <= 20 ORDER BY id`)));
await step('masked, binary', async () => masked(await conn.execute(`${PATIENTS} WHERE id <= ? ORDER BY id`, [20])));
await step('masked vault, binary', async () => masked(await conn.execute('SELECT * FROM vault ORDER BY id')));
await step('masked between others', async () => {
  const [results, fields] = await conn.query('SELECT 1; SELECT id, ssn, state FROM patients WHERE id < 4 ORDER BY id; SELECT 2');
  return masked([results[1], fields[1]]);
});
await conn.end();
emit('closed', true);
