"""A web application in Python without packages. It is configured by the variables of
auth0-tenant, and shows the claims that the userinfo endpoint has of the user."""
import base64, hashlib, json, os, secrets
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import Request, urlopen

env = os.environ
with urlopen(env["AUTH0_DOMAIN"] + "/.well-known/openid-configuration") as response:
    metadata = json.load(response)
redirect_uri = env["APP_BASE_URL"] + "/callback"
logins = {}


class App(BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/":
            state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
            logins[state] = verifier
            digest = hashlib.sha256(verifier.encode()).digest()
            query = {"response_type": "code", "client_id": env["AUTH0_CLIENT_ID"], "redirect_uri": redirect_uri,
                     "scope": "openid email", "state": state, "code_challenge_method": "S256",
                     "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode()}
            self.send_response(302)
            self.send_header("Location", metadata["authorization_endpoint"] + "?" + urlencode(query))
            self.end_headers()
            return
        query = parse_qs(url.query)
        form = {"grant_type": "authorization_code", "code": query["code"][0], "redirect_uri": redirect_uri,
                "client_id": env["AUTH0_CLIENT_ID"], "client_secret": env["AUTH0_CLIENT_SECRET"],
                "code_verifier": logins.pop(query["state"][0])}
        with urlopen(metadata["token_endpoint"], urlencode(form).encode()) as response:
            token = json.load(response)["access_token"]
        with urlopen(Request(metadata["userinfo_endpoint"], headers={"Authorization": "Bearer " + token})) as response:
            claims = response.read()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(claims)


HTTPServer(("127.0.0.1", urlsplit(env["APP_BASE_URL"]).port), App).serve_forever()
