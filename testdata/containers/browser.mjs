// What the README asks of a person: open the request that psql's notice names, log in as priya, agree with a reason.
// node browser.mjs NOTICE_FILE

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { close, decide, open, person, shot, state, until } from '../console/people.mjs';

const notice = process.argv[2];
const id = await until(`a request in ${notice}`, () => /apr-[a-z0-9]{4}-[a-z0-9]{4}/.exec(readFileSync(notice, 'utf8'))?.[0], 60_000);
await open();
try {
  const priya = await person('priya', { ignoreHTTPSErrors: true });
  await decide(priya, id, 'Approve', 'known to the privacy office');
  await until('the approval to be used', async () => { await priya.reload(); return (await state(priya)) === 'used'; }, 30_000);
  await shot(priya, 'approved');
  assert.match(await priya.locator('main').innerText(), /known to the privacy office/);
  console.log(`approved in the browser: ${id}`);
} finally {
  await close();
}
