// An OpenID provider for the tests of this directory: node provider.mjs ISSUER CERTIFICATE KEY
//
// The two files have the certificate and the key of the server in PEM. Applications
// register themselves (RFC 7591). Any name logs in, with any password. SIGHUP rotates the
// keys: a new one signs, and the JWKS keeps the one before it.

import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { errors, Provider } from "oidc-provider";

if (parseInt(process.versions.node) < 20) throw new Error(`oidc-provider needs Node 20 or later, and this is ${process.version}`);

const [issuer, certificate, key] = process.argv.slice(2);

const resources = {
  "https://orders.example.com/": { scope: "read:orders write:orders", jwt: { sign: { alg: "RS256" } } },
  "https://invoices.example.com/": { scope: "read:invoices", jwt: { sign: { alg: "ES256" } } },
};

// A table keeps everything, also when the keys rotate. The provider checks the expiry of
// what it finds.
const rows = new Map();
class Table {
  constructor(model) {
    this.model = model;
  }
  #find(member, value) {
    for (const [key, payload] of rows) if (key.startsWith(`${this.model}:`) && payload[member] === value) return payload;
  }
  async upsert(id, payload) {
    rows.set(`${this.model}:${id}`, payload);
  }
  async find(id) {
    return rows.get(`${this.model}:${id}`);
  }
  async findByUid(uid) {
    return this.#find("uid", uid);
  }
  async findByUserCode(code) {
    return this.#find("userCode", code);
  }
  async consume(id) {
    rows.get(`${this.model}:${id}`).consumed = Math.floor(Date.now() / 1000);
  }
  async destroy(id) {
    rows.delete(`${this.model}:${id}`);
  }
  async revokeByGrantId(grant) {
    for (const [key, payload] of rows) if (payload.grantId === grant && !key.startsWith("Grant:")) rows.delete(key);
  }
}

let generation = 0;
function newKeys() {
  generation++;
  return Object.entries({
    RS256: ["rsa", { modulusLength: 2048 }],
    ES256: ["ec", { namedCurve: "P-256" }],
    EdDSA: ["ed25519", {}],
  }).map(([name, [type, options]]) => ({
    ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }),
    kid: `${name}-${generation}`,
    use: "sig",
  }));
}

function newProvider(keys) {
  return new Provider(issuer, {
    jwks: { keys },
    adapter: Table,
    cookies: { keys: ["a key for the cookies of this provider"] },
    enabledJWA: {
      idTokenSigningAlgValues: ["HS256", "RS256", "PS256", "ES256", "EdDSA"],
      dPoPSigningAlgValues: ["ES256", "EdDSA"],
    },
    clientAuthMethods: ["client_secret_basic", "client_secret_post", "private_key_jwt", "self_signed_tls_client_auth", "none"],
    claims: { openid: ["sub"], profile: ["name", "nickname"], email: ["email", "email_verified"] },
    async findAccount(ctx, sub) {
      return {
        accountId: sub,
        claims: () => ({ sub, name: `${sub} of Acme`, nickname: sub, email: `${sub}@acme.example`, email_verified: true }),
      };
    },
    rotateRefreshToken: true, // at each use
    pkce: { required: () => true },
    features: {
      backchannelLogout: { enabled: true },
      claimsParameter: { enabled: true },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      dPoP: {
        enabled: true,
        nonceSecret: Buffer.alloc(32, "nonce"),
        requireNonce: (ctx) => ctx.oidc.client?.clientName === "nonces",
      },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        selfSignedTlsClientAuth: true,
        getCertificate: (ctx) => ctx.req.socket.getPeerX509Certificate()?.toString(),
      },
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        // Some providers take the API of an application's own token from the parameter
        // that Auth0 has.
        defaultResource: (ctx, client, oneOf) => oneOf ?? ctx.oidc.body?.audience,
        useGrantedResource: () => true,
        getResourceServerInfo(ctx, indicator) {
          if (!resources[indicator]) throw new errors.InvalidTarget();
          return { ...resources[indicator], audience: indicator, accessTokenFormat: "jwt", accessTokenTTL: 600 };
        },
      },
      revocation: { enabled: true },
    },
    // Back-channel logouts go to applications on this machine, which the provider's own
    // dispatcher rejects.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  });
}

function announce(provider) {
  for (const event of ["authorization.error", "grant.error", "server_error", "userinfo.error", "end_session.error", "revocation.error",
    "pushed_authorization_request.error", "registration_create.error", "backchannel.error"]) {
    provider.on(event, (ctx, error) => console.log(event, error.message, error.error_detail ?? "", error.cause ?? ""));
  }
  return provider.callback();
}

let keys = newKeys();
let answer = announce(newProvider(keys));
process.on("SIGHUP", () => {
  const next = newKeys();
  answer = announce(newProvider([...next, ...keys]));
  keys = next;
});
process.on("SIGINT", () => process.exit());

// The provider is below the path of its issuer.
const { hostname, pathname, port } = new URL(issuer);
const mount = pathname === "/" ? "" : pathname;
createServer(
  { cert: readFileSync(certificate), key: readFileSync(key), requestCert: true, rejectUnauthorized: false },
  (request, response) => {
    if (!request.url.startsWith(`${mount}/`)) return response.writeHead(404).end();
    request.originalUrl = request.url;
    request.url = request.url.slice(mount.length);
    answer(request, response);
  },
).listen(Number(port), hostname);
