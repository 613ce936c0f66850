// npm oidc-provider on the loopback: one client, one person who agrees to everything.
// Arguments: node_modules, the client's id, its secret, its redirect address.
import http from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, clientId, clientSecret, redirectUri] = process.argv.slice(2);
const entry = path.join(modules, 'oidc-provider', 'lib', 'index.js');
const { default: Provider } = await import(pathToFileURL(entry).href);

const server = http.createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
const accountId = `peer-${process.pid}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: clientId,
      client_secret: clientSecret,
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code'],
      response_types: ['code'],
    },
  ],
  pkce: { required: () => true },
  cookies: { keys: ['a key of a throw-away provider'] },
  features: { devInteractions: { enabled: false } },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.com`, email_verified: true, name: 'Peer' }),
  }),
});
const serve = provider.callback();

async function agree(request, response) {
  const { params } = await provider.interactionDetails(request, response);
  const grant = new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const result = { login: { accountId }, consent: { grantId: await grant.save() } };
  await provider.interactionFinished(request, response, result);
}

server.on('request', (request, response) => {
  if (request.url.startsWith('/interaction/')) {
    agree(request, response).catch((error) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  } else {
    serve(request, response);
  }
});
process.stdin.on('end', () => process.exit(0)).resume(); // goes with who started it
console.log(JSON.stringify({ issuer, accountId }));
