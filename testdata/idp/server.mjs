// A real OpenID provider for tests and demo: the certified `oidc-provider`, configured for one loopback issuer.
//
//   node server.mjs --port PORT --keys FILE [--issuer URL --address ADDRESS --cert FILE --key FILE] [--redirect URL]
//
// Without more, it is http://127.0.0.1:PORT. Elsewhere than on loopback it needs a certificate; its console (one client, a
// web application) is then known by its --redirect.
//
// Users and service clients stand in people.json. Access tokens are JWTs for the audience `affidavit`; the resource
// picks the algorithm (urn:affidavit → ES256, urn:affidavit:rs256, urn:affidavit:eddsa). Keys are made on first start
// and kept in FILE, so that mint.py can sign tokens that this provider would never issue (expired, wrong audience, …).
// Flows: client_credentials, authorization code with PKCE (log in as any user of people.json), device flow.

import { readFileSync, writeFileSync, existsSync } from 'node:fs';
import { generateKeyPairSync } from 'node:crypto';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:https';
import { parseArgs } from 'node:util';
import Provider, { interactionPolicy } from 'oidc-provider';

const options = ['port', 'keys', 'issuer', 'address', 'cert', 'key', 'redirect'];
const { values: args } = parseArgs({ options: Object.fromEntries(options.map((name) => [name, { type: 'string' }])) });
const issuer = args.issuer ?? `http://127.0.0.1:${args.port}`;
const { users, clients } = JSON.parse(readFileSync(new URL('./people.json', import.meta.url)));

function freshKeys() {
  const kinds = [
    ['rs256', 'RS256', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['es256', 'ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['eddsa', 'EdDSA', generateKeyPairSync('ed25519')],
  ];
  return { keys: kinds.map(([kid, alg, pair]) => ({ ...pair.privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' })) };
}
if (!existsSync(args.keys)) writeFileSync(args.keys, JSON.stringify(freshKeys(), null, 1), { mode: 0o600 });

const ALGORITHMS = { 'urn:affidavit': 'ES256', 'urn:affidavit:rs256': 'RS256', 'urn:affidavit:eddsa': 'EdDSA' };
const SCOPES = 'openid profile email groups offline_access';
const pages = {
  application_type: 'native', // any port on the loopback address
  redirect_uris: ['http://127.0.0.1/callback', 'http://127.0.0.1/login/callback', 'http://localhost/callback', 'http://localhost/login/callback'],
  response_types: ['code'],
};
const consolePages = args.redirect ? { application_type: 'web', redirect_uris: [args.redirect], response_types: ['code'] } : pages;

const prompts = interactionPolicy.base();
prompts.remove('consent');

const provider = new Provider(issuer, {
  jwks: JSON.parse(readFileSync(args.keys)),
  clients: [
    ...Object.entries(clients).map(([id, { secret }]) => ({
      client_id: id, client_secret: secret, grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
    })),
    { client_id: 'affidavit-console', client_secret: 'affidavit-console-secret', grant_types: ['authorization_code', 'refresh_token'], ...consolePages },
    { client_id: 'affidavit-login', token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'], ...pages },
  ],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'], groups: ['groups'] },
  scopes: SCOPES.split(' '),
  conformIdTokenClaims: false, // claims stand in the ID token itself: the console needs no second request
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'] },
  ttl: { AccessToken: 3600, ClientCredentials: 3600, IdToken: 3600, DeviceCode: 600, Session: 86400, Grant: 86400, Interaction: 3600 },
  cookies: { keys: ['only-for-tests'] },
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (_ctx, _client, oneOf) => oneOf?.[0] ?? 'urn:affidavit',
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, resource) => ({
        scope: SCOPES, audience: 'affidavit', accessTokenFormat: 'jwt', accessTokenTTL: 3600,
        jwt: { sign: { alg: ALGORITHMS[resource] ?? 'ES256' } },
      }),
    },
  },
  async findAccount(_ctx, id) {
    const user = users[id];
    return user && {
      accountId: id,
      claims: () => ({ sub: id, name: user.name, preferred_username: id, email: user.email, email_verified: true, groups: user.groups }),
    };
  },
  extraTokenClaims(_ctx, token) {
    const who = users[token.accountId] ?? clients[token.clientId] ?? {};
    return { email: who.email, name: who.name, groups: who.groups };
  },
  formats: {
    customizers: {
      jwt(_ctx, token, jwt) {
        const client = clients[token.clientId];
        if (!token.accountId && client) jwt.payload.sub = client.subject;
      },
    },
  },
  // Consent is not what these tests are about: whoever logs in has granted what was asked for.
  interactions: { policy: prompts, url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  async loadExistingGrant(ctx) {
    const { client, session, params } = ctx.oidc;
    const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope(params.scope ?? SCOPES);
    for (const resource of [params.resource ?? 'urn:affidavit'].flat()) grant.addResourceScope(resource, SCOPES);
    await grant.save();
    return grant;
  },
});

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const page = (uid, problem = '') => `<!doctype html><meta charset="utf-8"><title>Clinic sign-in</title>
<style>body{font:16px system-ui;max-width:22rem;margin:10vh auto}input,button{display:block;width:100%;padding:.5rem;margin:.4rem 0 1rem;box-sizing:border-box}</style>
<h1>Clinic sign-in</h1><p role="alert">${escape(problem)}</p>
<form method="post" action="/interaction/${escape(uid)}"><label>User <input name="login" autocomplete="username" autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label><button>Sign in</button></form>
<p>Users of this test issuer: ${Object.keys(users).map(escape).join(', ')}; each password is the user's name.</p>`;

provider.use(async (ctx, next) => {
  const uid = /^\/interaction\/([\w-]+)$/.exec(ctx.path)?.[1];
  if (!uid) return next();
  ctx.type = 'html';
  if (ctx.method === 'GET') {
    await provider.interactionDetails(ctx.req, ctx.res); // an unknown or expired interaction throws here
    ctx.body = page(uid);
    return undefined;
  }
  const chunks = [];
  let size = 0;
  for await (const chunk of ctx.req) {
    size += chunk.length;
    if (size > 4096) ctx.throw(413, 'a login form is smaller than that');
    chunks.push(chunk);
  }
  const form = new URLSearchParams(Buffer.concat(chunks).toString());
  const login = form.get('login');
  if (!Object.hasOwn(users, login) || users[login].password !== form.get('password')) {
    ctx.status = 401;
    ctx.body = page(uid, 'User or password is wrong.');
    return undefined;
  }
  ctx.respond = false;
  return provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: login } }, { mergeWithLastSubmission: false });
});

provider.on('server_error', (_ctx, error) => console.error(error));
const server = args.cert
  ? createServer({ cert: readFileSync(args.cert), key: readFileSync(args.key) }, provider.callback())
  : createHttpServer(provider.callback());
server.listen(Number(args.port), args.address ?? '127.0.0.1', () => console.log(`issuer: ${issuer}`));
process.on('SIGTERM', () => { server.closeAllConnections(); server.close(() => process.exit(0)); });
