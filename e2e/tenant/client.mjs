// A web application in Node with openid-client. The variables of auth0-tenant configure
// it. It shows the claims of the logged-in user.
import http from 'node:http'
import * as client from 'openid-client'

const { AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, APP_BASE_URL } = process.env
const options = AUTH0_DOMAIN.startsWith('http:') ? { execute: [client.allowInsecureRequests] } : {}
const config = await client.discovery(new URL(AUTH0_DOMAIN), AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, undefined, options)
const logins = new Map()

async function answer(request, response) {
  const url = new URL(request.url, APP_BASE_URL)
  if (url.pathname === '/') {
    const state = client.randomState()
    const verifier = client.randomPKCECodeVerifier()
    logins.set(state, verifier)
    const to = client.buildAuthorizationUrl(config, {
      redirect_uri: APP_BASE_URL + '/callback', scope: 'openid email', state,
      code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
    })
    response.writeHead(302, { Location: to.href }).end()
    return
  }
  const state = url.searchParams.get('state')
  const tokens = await client.authorizationCodeGrant(config, url, { pkceCodeVerifier: logins.get(state), expectedState: state, idTokenExpected: true })
  logins.delete(state)
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(tokens.claims()))
}

http.createServer((request, response) => {
  answer(request, response).catch((err) => response.writeHead(500).end(String(err)))
}).listen(new URL(APP_BASE_URL).port, '127.0.0.1')
