// The two sides of a held statement: psql with a token, and a person with a browser.

import { spawn, execFileSync } from 'node:child_process';

export const world = JSON.parse(process.env.AFFIDAVIT_CONSOLE_WORLD);
const { chromium } = await import(world.playwright);

export const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** An access token of a service client, by client_credentials. */
export async function clientToken(client) {
  const configuration = await (await fetch(`${world.issuer}/.well-known/openid-configuration`)).json();
  const basic = Buffer.from(`${client}:${world.clients[client]}`).toString('base64');
  const answer = await fetch(configuration.token_endpoint, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}`, 'content-type': 'application/x-www-form-urlencoded' },
    body: 'grant_type=client_credentials&resource=urn:affidavit',
  });
  return (await answer.json()).access_token;
}

/** A token of a person, signed with the provider's own keys. */
export function mintedToken(subject, groups) {
  const line = [world.mint, '--issuer', world.issuer, '--keys', world.keys, '--sub', subject, '--groups', groups.join(',')];
  return execFileSync(world.python, line, { encoding: 'utf8' }).trim();
}

/** psql in the background: what it printed, and when it ended. */
export function psql(token, sql, { reason = '', variables = [] } = {}) {
  const address = `host=127.0.0.1 port=${world.port} user=agent dbname=hospital sslmode=disable application_name=nightly-report`;
  const child = spawn('psql', ['-X', '-A', '-t', '-v', 'ON_ERROR_STOP=1', ...variables, address, '-f', '-'], {
    env: { ...process.env, PGPASSWORD: token, PGOPTIONS: reason && `-c affidavit.reason=${reason.replaceAll(' ', '\\ ')}` },
  });
  const run = { out: '', err: '', code: null, child };
  child.stdout.on('data', (data) => { run.out += data; });
  child.stderr.on('data', (data) => { run.err += data; });
  run.ended = new Promise((resolve) => child.on('close', (code) => { run.code = code; resolve(run); }));
  child.stdin.end(`${sql}\n`);
  return run;
}

/** The mariadb client in the background, over TLS: what it printed, and when it ended. */
export function mariadb(token, sql) {
  const line = ['--no-defaults', '--host=localhost', `--port=${world.mariadb}`, '--user=agent', '--protocol=tcp', `--ssl-ca=${world.ca}`, '--batch', 'hospital', '-e', sql];
  const child = spawn('mariadb', line, { env: { ...process.env, MYSQL_PWD: token } });
  const run = { out: '', err: '', code: null, child };
  child.stdout.on('data', (data) => { run.out += data; });
  child.stderr.on('data', (data) => { run.err += data; });
  run.ended = new Promise((resolve) => child.on('close', (code) => { run.code = code; resolve(run); }));
  return run;
}

export async function until(what, look, patience = 10_000) {
  const end = Date.now() + patience;
  while (Date.now() < end) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`waited in vain for ${what}`);
}

/** The id that the notice of a held statement names. */
export const heldId = (run) => until(`a notice; psql said: ${run.err}`, () => /apr-[a-z0-9]{4}-[a-z0-9]{4}/.exec(run.err)?.[0]);

let browser;
export async function open() {
  browser = await chromium.launch({ executablePath: world.chromium, args: FLAGS });
}
export async function close() {
  await browser?.close();
}

/** A person in a browser of their own, logged in through the provider's pages. */
export async function person(name, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  // The pending page reloads by itself when something comes in, and may do so just when we go elsewhere.
  const goto = page.goto.bind(page);
  const interrupted = (error) => /interrupted by another navigation/.test(String(error));
  page.goto = (url, options) => goto(url, options).catch((error) => (interrupted(error) ? goto(url, options) : Promise.reject(error)));
  await page.goto(options.to ?? world.console);
  await page.getByRole('link', { name: 'Log in' }).click();
  await page.getByLabel('User').fill(name);
  await page.getByLabel('Password').fill(name);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(`${world.console}/**`);
  await page.getByRole('button', { name: 'Log out' }).waitFor();
  page.problems = [];
  page.on('console', (message) => { if (message.type() === 'error') page.problems.push(message.text()); });
  page.on('pageerror', (error) => page.problems.push(String(error)));
  return page;
}

export async function shot(page, name) {
  if (world.shots) await page.screenshot({ path: `${world.shots}/${name}.png`, fullPage: true });
}

/** Opens a request and decides, as a person does. */
export async function decide(page, id, button, why, { window = false } = {}) {
  await page.goto(`${world.console}/approvals/${id}`);
  await page.getByLabel('Why?').first().fill(why);
  if (window) await page.getByRole('checkbox').check();
  await page.getByRole('button', { name: button, exact: true }).click();
  await page.waitForLoadState();
}

export const state = async (page) => (await page.locator('h1 .state').first().textContent()).trim();
