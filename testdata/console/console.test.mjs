// A statement is held in psql and decided in Chromium. Each test is one story of the console.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { clientToken, close, decide, heldId, mariadb, mintedToken, open, person, psql, shot, state, until, world } from './people.mjs';

let database;
const pg = createRequire(world.modules)('pg');
const ENCOUNTERS = 'select count(*) as visits, max(notes) as last from encounters;';
let agent;
let priya;
let omar;

before(async () => {
  await open();
  agent = await clientToken('nightly-report');
  priya = await person('priya');
  omar = await person('omar');
});
after(async () => { await database?.end().catch(() => {}); await close(); });

test('held in psql, approved in the browser, rows arrive', async () => {
  const run = psql(agent, "select id, patient_id, notes from encounters where icd10 > '' order by id limit 3;", { reason: 'nightly report' });
  const id = await heldId(run);
  assert.match(run.err, /waits for approval/);
  assert.match(run.err, new RegExp(`${world.console}/approvals/${id}`));
  assert.equal(run.code, null, 'the connection waits');
  await priya.goto(world.console);
  await priya.getByRole('link', { name: id }).waitFor();
  await shot(priya, 'pending');
  await priya.goto(`${world.console}/approvals/${id}`);
  await shot(priya, 'request');
  const text = await priya.locator('main').innerText();
  for (const part of ['nightly report', 'encounters', 'redact', 'patient_id', 'full patient history', 'diagnosis', 'compares', 'Estimated rows: 3']) assert.ok(text.includes(part), `${part} in ${text}`);
  await decide(priya, id, 'Approve', 'the nightly report is known to us');
  const done = await run.ended;
  assert.equal(done.code, 0, done.err);
  assert.equal(done.out.trim().split('\n').length, 3, done.out);
  await priya.reload();
  assert.equal(await state(priya), 'used');
  await shot(priya, 'used');
});

test('denied in the browser, the words reach psql', async () => {
  const run = psql(agent, ENCOUNTERS);
  const id = await heldId(run);
  await decide(priya, id, 'Deny', 'use the analytics schema instead');
  const done = await run.ended;
  assert.notEqual(done.code, 0);
  assert.match(done.err, /denied request apr-.*use the analytics schema instead/);
  assert.equal(await state(priya), 'denied');
});

test('nobody decides: time runs out', async () => {
  const run = psql(agent, ENCOUNTERS);
  const id = await heldId(run);
  const done = await run.ended;
  assert.match(done.err, new RegExp(`nobody approved request ${id} within 20 seconds`));
  await priya.goto(`${world.console}/approvals/${id}`);
  assert.equal(await state(priya), 'expired');
});

test('a client that goes away cancels its request', async () => {
  const run = psql(agent, ENCOUNTERS);
  const id = await heldId(run);
  run.child.kill('SIGKILL');
  await until('cancelled', async () => { await priya.goto(`${world.console}/approvals/${id}`); return (await state(priya)) === 'cancelled'; });
});

test('nobody approves their own statement', async () => {
  const dana = await person('dana');
  const run = psql(mintedToken('dana', ['treating-clinicians']), 'select count(*) from providers;');
  const id = await heldId(run);
  await dana.goto(`${world.console}/approvals/${id}`);
  assert.match(await dana.locator('main').innerText(), /This is your own statement/);
  assert.equal(await dana.getByRole('button', { name: 'Approve' }).count(), 0);
  const csrf = await dana.locator('input[name=csrf]').first().inputValue();
  const answer = await dana.evaluate(async ([path, form]) => {
    const body = new URLSearchParams(form);
    return (await fetch(path, { method: 'POST', body })).status;
  }, [`/approvals/${id}/approve`, { csrf, justification: 'I know what I do' }]);
  assert.equal(answer, 403);
  await shot(dana, 'own');
  await decide(omar, id, 'Approve', 'seen and fine');
  assert.equal((await run.ended).code, 0, run.err);
});

test('the two-person rule takes two people', async () => {
  const run = psql(agent, 'select count(*) from medications;');
  const id = await heldId(run);
  await decide(priya, id, 'Approve', 'first of two');
  assert.equal(await state(priya), 'pending');
  await priya.goto(`${world.console}/approvals/${id}`);
  assert.match(await priya.locator('main').innerText(), /you have agreed already/);
  assert.equal(run.code, null);
  await decide(omar, id, 'Approve', 'second of two');
  assert.equal((await run.ended).code, 0, run.err);
});

test('a window covers one shape of statement, and nothing else', async () => {
  const sql = (n) => `select count(*) from encounters where patient_id = ${n};`;
  const first = psql(agent, sql(1));
  await decide(priya, await heldId(first), 'Approve', 'the whole night', { window: true });
  assert.equal((await first.ended).code, 0, first.err);
  const second = await psql(agent, sql(2)).ended;
  assert.equal(second.code, 0, second.err);
  assert.ok(!second.err.includes('waits for approval'), 'no question for another literal');
  const other = psql(agent, `${sql(3).replace(';', '')} and id > 0;`);
  await decide(priya, await heldId(other), 'Deny', 'that is another statement');
  assert.notEqual((await other.ended).code, 0);
  const stranger = psql(await clientToken('bench'), sql(2));
  await decide(priya, await heldId(stranger), 'Deny', 'that is another identity');
  assert.notEqual((await stranger.ended).code, 0);
});

test('a grant for one set of parameters is no grant for another', async () => {
  const client = database = new pg.Client({ host: '127.0.0.1', port: world.port, user: 'agent', password: agent, database: 'hospital' });
  await client.connect();
  const notices = [];
  client.on('notice', (notice) => notices.push(notice.message));
  const ask = async (value, button) => {
    notices.length = 0;
    const answer = client.query('select count(*) as n from encounters where id = $1', [value]).then((rows) => rows, (error) => error);
    const id = await until('a notice', () => /apr-[a-z0-9]{4}-[a-z0-9]{4}/.exec(notices.join())?.[0]);
    await priya.goto(`${world.console}/approvals/${id}`);
    assert.match(await priya.locator('table.params').innerText(), new RegExp(String(value)));
    await decide(priya, id, button, 'this value and no other');
    return [id, await answer];
  };
  const [first, granted] = await ask(1, 'Approve');
  assert.equal(granted.rows?.[0].n, '1', String(granted));
  const [second, denied] = await ask(2, 'Deny');
  assert.notEqual(first, second);
  assert.match(String(denied), /denied request/);
  const [third] = await ask(1, 'Deny');
  assert.notEqual(first, third, 'one use is one use');
  await client.end();
});

test('emergency access opens at once and has to be reviewed', async () => {
  const run = await psql(mintedToken('dana', ['treating-clinicians']), 'select count(*) from clinical_notes;').ended;
  assert.equal(run.code, 0, run.err);
  await priya.goto(world.console);
  assert.match(await priya.locator('main').innerText(), /Emergency access to review/);
  await shot(priya, 'review');
  const path = await priya.locator('.card a.main').first().getAttribute('href');
  await priya.goto(world.console + path);
  await priya.getByLabel('What did you find?').fill('The patient was in the emergency room; justified.');
  await priya.getByRole('button', { name: 'Record the review' }).click();
  await priya.waitForLoadState();
  assert.match(await priya.locator('.history').innerText(), /reviewed by/);
});

test('the pending page notices a new request by itself, and keys move through it', async () => {
  await priya.goto(world.console);
  const run = psql(agent, ENCOUNTERS);
  const id = await heldId(run);
  await priya.getByRole('link', { name: id }).waitFor({ timeout: 15_000 });
  for (let moves = 0; moves < 10; moves += 1) {
    await priya.keyboard.press('j');
    if (await priya.evaluate(() => document.activeElement.textContent) === id) break;
  }
  assert.equal(await priya.evaluate(() => document.activeElement.textContent), id);
  await priya.keyboard.press('Enter');
  await priya.waitForURL(`**/approvals/${id}`);
  await decide(priya, id, 'Deny', 'only a test of keys');
  await run.ended;
});

test('operators end sessions, others cannot', async () => {
  const run = psql(agent, "\\prompt 'wait' nothing\nselect 1;");
  const held = psql(agent, ENCOUNTERS);
  await heldId(held);
  const robin = await person('root');
  await robin.goto(`${world.console}/sessions`);
  await shot(robin, 'sessions');
  await priya.goto(`${world.console}/sessions`);
  assert.equal(await priya.getByRole('button', { name: /^End/ }).count(), 0);
  await robin.getByRole('button', { name: /^End the session/ }).first().click();
  await robin.waitForLoadState();
  const done = await held.ended;
  assert.match(done.err, /ended this session from the console|closed the connection/);
  run.child.kill();
});

test('held in the mariadb client, approved in the browser, rows arrive; and an operator ends such a session', async () => {
  const run = mariadb(agent, 'select id, notes from encounters where id < 4 order by id');
  // Unlike psql, the client says nothing while it waits: the page is asked until the request is there.
  const card = priya.locator('.card', { hasText: 'mariadb' }).first();
  for (let tries = 0; tries < 60; tries += 1) {
    await priya.goto(world.console);
    if (await card.count()) break;
    await new Promise((go) => setTimeout(go, 250));
  }
  await card.waitFor({ timeout: 1_000 });
  const id = (await card.locator('a.main').innerText()).trim();
  assert.equal(run.code, null, 'the connection waits');
  await decide(priya, id, 'Approve', 'the other engine, the same rule');
  const done = await run.ended;
  assert.equal(done.code, 0, done.err);
  assert.equal(done.out.trim().split('\n').length, 4, done.out);
  const held = mariadb(agent, 'select count(*) from encounters');
  const robin = await person('root');
  await until('the live session', async () => { await robin.goto(`${world.console}/sessions`); return (await robin.locator('tr', { hasText: 'mysql' }).count()) > 0; });
  await robin.locator('tr', { hasText: 'mysql' }).getByRole('button', { name: /^End the session/ }).first().click();
  const ended = await held.ended;
  assert.notEqual(ended.code, 0);
  assert.match(ended.err, /ended this session from the console|gone away|Lost connection/, ended.err);
});

test('a changed policy shows what changed, and for whom', async () => {
  const file = `${world.policies}/approvals.toml`;
  const former = readFileSync(file, 'utf8');
  appendFileSync(file, '\n[[deny]]\nname = "no bed census today"\nwhen = { tables = ["*.*.bed_census"] }\n');
  try {
    await until('the diff', async () => { await priya.goto(`${world.console}/policies`); return (await priya.locator('.diff .add').count()) > 0; }, 15_000);
    assert.match(await priya.locator('.changes').first().innerText(), /added\s+deny “no bed census today” for everyone/);
    await priya.getByText('Line by line').first().click();
    assert.match(await priya.locator('.diff').first().innerText(), /no bed census today/);
    await shot(priya, 'policies');
  } finally {
    writeFileSync(file, former);
  }
  await priya.goto(`${world.console}/health`);
  const health = await priya.locator('main').innerText();
  for (const part of ['sealed up to record', 'datasource postgres15', 'datasource mariadb', 'MiB free', 'answers in']) assert.ok(health.includes(part), `${part} in ${health}`);
  await shot(priya, 'health');
});

test('an auditor finds a recording and steps through it by keys, and is recorded', async () => {
  const script = "select id, mrn, ssn, full_name from patients where id < 4 order by id;\nselect 'between';\nselect id, body from clinical_notes where id < 3;";
  const run = await psql(agent, script, { reason: 'a look at three patients' }).ended;
  assert.equal(run.code, 0, run.err);
  await priya.goto(`${world.console}/`);
  await priya.getByRole('link', { name: 'Recordings' }).click();
  await shot(priya, 'recordings-form');
  await priya.getByLabel('Table').fill('patients');
  await priya.getByLabel('Identity').fill('ci@clinic.example');
  await priya.getByRole('button', { name: 'Search' }).click();
  await priya.waitForURL('**/recordings?**');
  await shot(priya, 'recordings-found');
  await priya.keyboard.press('j');
  await priya.keyboard.press('Enter');
  await priya.getByRole('heading', { name: 'Statement 1' }).waitFor();
  const first = await priya.locator('main').innerText();
  for (const shown of run.out.trim().split('\n')[0].split('|')) assert.ok(first.includes(shown), `${shown} of psql in ${first}`);
  assert.match(first, /from patients where id < 4/);
  await shot(priya, 'replay');
  await priya.keyboard.press('ArrowRight');
  await priya.getByRole('heading', { name: 'Statement 2' }).waitFor();
  await priya.keyboard.press('j');
  await priya.getByRole('heading', { name: 'Statement 3' }).waitFor();
  await shot(priya, 'replay-notes');
  await priya.keyboard.press('k');
  await priya.getByRole('heading', { name: 'Statement 2' }).waitFor();
  await priya.keyboard.press('u');
  await priya.getByRole('heading', { name: 'Statements' }).waitFor();
  assert.match(await priya.locator('main').innerText(), /a look at three patients/);
  await priya.getByText('Who looked at this session').click();
  assert.match(await priya.locator('.history').innerText(), /priya.*replayed/s);
  await shot(priya, 'recording');
  const recorded = execFileSync(world.evidence, ['accesses', '--config', world.config], { encoding: 'utf8' });
  assert.match(recorded, /priya.*replayed.*statement 1/);
  const ana = await person('ana');
  await ana.goto(`${world.console}/recordings?table=patients`);
  assert.match(await ana.locator('main').innerText(), /needs the role auditor/);
});

/** The path of a recorded statement with rows. */
async function replayed() {
  await priya.goto(`${world.console}/recordings?table=patients`);
  return priya.locator('a.main').first().getAttribute('href');
}

test('history finds, at any width, in the dark too', async () => {
  await priya.goto(`${world.console}/history?q=medications`);
  assert.ok((await priya.locator('a.main').count()) >= 1);
  await shot(priya, 'history');
  const run = psql(agent, ENCOUNTERS, { reason: 'a look on the phone' });
  const id = await heldId(run);
  const phone = await person('omar', { viewport: { width: 380, height: 800 }, colorScheme: 'dark' });
  for (const [name, path] of [['pending', '/'], ['request', `/approvals/${id}`], ['history', '/history'], ['sessions', '/sessions'], ['policies', '/policies'], ['health', '/health'], ['recordings', '/recordings?who=ci@clinic.example'], ['replay', await replayed()]]) {
    await phone.goto(world.console + path);
    const overflow = await phone.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(overflow <= 0, `${name} scrolls sideways by ${overflow} px`);
    await shot(phone, `phone-${name}`);
  }
  run.child.kill();
  assert.deepEqual(phone.problems, [], 'nothing that the content policy had to stop');
});

test('the command line approves, and the record names who did', async () => {
  const run = psql(agent, ENCOUNTERS);
  const id = await heldId(run);
  const env = { ...process.env, AFFIDAVIT_CONSOLE: world.console, AFFIDAVIT_TOKEN: mintedToken('omar', ['privacy-office']) };
  const out = execFileSync(world.affidavit, ['approvals', 'approve', id, '-m', 'by hand'], { env, encoding: 'utf8' });
  assert.match(out, /is (granted|used)/);
  assert.equal((await run.ended).code, 0, run.err);
});

test('logging out means out', async () => {
  const ana = await person('ana');
  await ana.getByRole('button', { name: 'Log out' }).click();
  await ana.getByText('You are logged out here').waitFor();
  await shot(ana, 'welcome');
  await ana.goto(`${world.console}/history`);
  await ana.getByRole('link', { name: 'Log in' }).waitFor();
});

test('no page broke its own content policy', () => {
  assert.deepEqual([...priya.problems, ...omar.problems], []);
});
