// @node-oauth/oauth2-server behind express: password grant and refresh grant at one token address, for a public client.
// Ours is the model, as the library's guide asks for one: users and refresh tokens in memory, access tokens as JWTs.
"use strict";

const { control, announce } = require("./surroundings.cjs");
const crypto = require("node:crypto");
const express = require("express");
const jwt = require("jsonwebtoken");
const OAuth2Server = require("@node-oauth/oauth2-server");

const SECOND = 1000;
const AUDIENCE = "fastapi-users:auth";
const KEY = process.env.REAL_SIGNING_KEY;
const CLIENT = { id: "gatecrash", grants: ["password", "refresh_token"] };

const users = new Map();
const refreshTokens = new Map();

// Cheap on purpose: a run logs in some thousand times, and the strength of the hash is not what is looked at.
const hash = (password, salt) => {
  const digest = crypto.createHash("sha256").update(password).digest();
  return crypto.scryptSync(digest, salt, 32, { N: 16 });
};
const newUser = (role) => {
  const salt = crypto.randomBytes(16);
  const secret = process.env[`REAL_${role.toUpperCase()}_PASSWORD`];
  const id = process.env[`REAL_${role.toUpperCase()}_ID`];
  return { id, name: `${role}@example.com`, salt, hash: hash(secret, salt), active: role !== "blocked" };
};
for (const role of ["first", "second", "blocked"]) {
  const user = newUser(role);
  users.set(user.name, user);
}
const nobody = newUser("first");
const hashed = (token) => crypto.createHash("sha256").update(token).digest("hex");

const model = {
  async getClient(id) {
    return id === CLIENT.id ? CLIENT : false;
  },
  async getUser(name, password) {
    const known = users.get(name);
    const user = known ?? nobody;
    const right = crypto.timingSafeEqual(hash(password, user.salt), user.hash);
    return right && known?.active ? known : false;
  },
  async generateAccessToken(_client, user) {
    const options = { subject: user.id, audience: AUDIENCE, expiresIn: 3600, jwtid: crypto.randomUUID() };
    return jwt.sign({}, KEY, { algorithm: "HS256", ...options });
  },
  async saveToken(token, client, user) {
    const saved = { ...token, client, user };
    refreshTokens.set(hashed(token.refreshToken), saved);
    return saved;
  },
  async getAccessToken(text) {
    try {
      const claims = jwt.verify(text, KEY, { algorithms: ["HS256"], audience: AUDIENCE });
      const user = [...users.values()].find((user) => user.id === claims.sub && user.active);
      return user ? { client: CLIENT, user, accessTokenExpiresAt: new Date(claims.exp * SECOND) } : false;
    } catch {
      return false;
    }
  },
  async getRefreshToken(text) {
    const saved = refreshTokens.get(hashed(text));
    const user = saved && users.get(saved.user.name);
    return user?.active ? { ...saved, refreshToken: text, user } : false;
  },
  // Whether it was there decides: of two requests at once one is told no.
  async revokeToken(token) {
    return refreshTokens.delete(hashed(token.refreshToken));
  },
};

const oauth = new OAuth2Server({
  model,
  accessTokenLifetime: 3600,
  refreshTokenLifetime: 14 * 24 * 3600,
  requireClientAuthentication: { password: false, refresh_token: false },
});

const app = express();
app.disable("x-powered-by");
app.use((_request, response, next) => {
  // Node keeps real time for it, and the clock here is moved.
  response.sendDate = false;
  next();
});
app.use(express.urlencoded({ extended: false }));

/** Runs one of the library's handlers, and answers what it says, as the library's express wrapper does. */
const handled = (handler, success) => async (request, response) => {
  request.body ??= {};
  const oauthRequest = new OAuth2Server.Request(request);
  const oauthResponse = new OAuth2Server.Response(response);
  try {
    const outcome = await handler(oauthRequest, oauthResponse);
    response.set(oauthResponse.headers);
    response.json(success(oauthResponse, outcome));
  } catch (error) {
    response.set(oauthResponse.headers);
    response.status(error.code || 500).json({ error: error.name, error_description: error.message });
  }
};
const token = handled(
  (request, response) => oauth.token(request, response),
  (response) => response.body,
);
const me = handled(
  (request, response) => oauth.authenticate(request, response),
  (_response, { user }) => ({ id: user.id, email: user.name }),
);
app.post("/oauth/token", token);
app.get("/me", me);

/** The hook `accounts`: does to a user what an administrator would do. */
const away = new Map();
const accounts = ({ identity, state }) => {
  const name = `${identity}@example.com`;
  const user = users.get(name) ?? away.get(name);
  if (!user) throw new Error(`there is no user ${name}`);
  const deleted = state === "deleted";
  (deleted ? users : away).delete(name);
  (deleted ? away : users).set(name, user);
  user.active = state === "active";
};

const server = app.listen(0, "127.0.0.1", async () => {
  announce(server.address().port, await control({ "/accounts": accounts }));
});
