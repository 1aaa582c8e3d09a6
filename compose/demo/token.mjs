// Prints an access token of a service client of people.json, as a CI job or a terminal gets one: node token.mjs CLIENT

import { readFileSync } from 'node:fs';

const { clients } = JSON.parse(readFileSync(new URL('./people.json', import.meta.url)));
const name = process.argv[2];
if (!Object.hasOwn(clients, name ?? '')) {
  console.error(`token: name one of ${Object.keys(clients).join(', ')}`);
  process.exit(2);
}
const basic = Buffer.from(`${name}:${clients[name].secret}`).toString('base64');
const answer = await fetch(`${process.env.ISSUER}/token`, {
  method: 'POST',
  headers: { authorization: `Basic ${basic}`, 'content-type': 'application/x-www-form-urlencoded' },
  body: 'grant_type=client_credentials&resource=urn:affidavit',
});
const { access_token: token } = await answer.json();
if (!token) process.exit(1);
console.log(token);
