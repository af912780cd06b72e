"""A small Flask application with Flask-JWT-Extended, put together as its guide shows.

From the guide: a login that takes JSON, automatic user loading, explicit refresh, and a blocklist in a database.
Ours: the refresh spends the token that it was called with (its id goes to the blocklist) and returns another one.
"""

import os
import sqlite3
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from flask import Flask, jsonify, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    current_user,
    get_jwt,
    jwt_required,
)
from waitress.server import create_server
from werkzeug.security import check_password_hash, generate_password_hash

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
from surroundings import Control, accounts, announce

DATABASE = os.environ["REAL_DATABASE"]
# Few rounds: a run logs in some thousand times, and the strength of the hash is not what is looked at.
HASH = "pbkdf2:sha256:100"
# What an unknown name's password is held against, so that it takes as long.
NOBODY = generate_password_hash("nobody", HASH)


def database():
    return closing(sqlite3.connect(DATABASE, timeout=10, isolation_level=None))


def create_database():
    with database() as db:
        db.execute("pragma journal_mode = wal")
        db.execute("create table user (id text primary key, name text unique, hash text, active integer)")
        db.execute("create table blocklist (jti text primary key)")
        for user in accounts():
            row = (user["id"], user["name"], generate_password_hash(user["password"], HASH), user["role"] != "blocked")
            db.execute("insert into user values (?, ?, ?, ?)", row)


app = Flask(__name__)
app.config["JWT_SECRET_KEY"] = os.environ["REAL_SIGNING_KEY"]
app.config["JWT_ACCESS_TOKEN_EXPIRES"] = timedelta(hours=1)
app.config["JWT_REFRESH_TOKEN_EXPIRES"] = timedelta(days=30)
app.config["JWT_ENCODE_AUDIENCE"] = app.config["JWT_DECODE_AUDIENCE"] = "fastapi-users:auth"
app.config["JWT_TOKEN_LOCATION"] = ["headers"]
jwt = JWTManager(app)


@jwt.user_lookup_loader
def user_of_token(_header, payload):
    with database() as db:
        row = db.execute("select id, name from user where id = ? and active", (payload["sub"],)).fetchone()
    return row and {"id": row[0], "name": row[1]}


@jwt.token_in_blocklist_loader
def is_revoked(_header, payload):
    with database() as db:
        return db.execute("select 1 from blocklist where jti = ?", (payload["jti"],)).fetchone() is not None


def revoke(jti):
    """Whether the token was still good: of two requests at once, one is told no."""
    with database() as db:
        return db.execute("insert or ignore into blocklist values (?)", (jti,)).rowcount == 1


@app.post("/login")
def login():
    given = request.json
    for parameter in ("username", "password"):
        if not isinstance(given, dict) or not isinstance(given.get(parameter), str):
            return jsonify({"msg": f"{parameter} is missing, or is no text"}), 422
    with database() as db:
        row = db.execute("select id, hash from user where name = ? and active", (given["username"],)).fetchone()
    user, hashed = row or (None, NOBODY)
    if not check_password_hash(hashed, given["password"]) or user is None:
        return jsonify({"msg": "Bad username or password"}), 401
    return tokens(user)


@app.post("/refresh")
@jwt_required(refresh=True, locations=["json"])
def refresh():
    if not revoke(get_jwt()["jti"]):
        return jsonify({"msg": "Token has been revoked"}), 401
    return tokens(current_user["id"])


def tokens(user):
    return jsonify(
        access_token=create_access_token(user),
        refresh_token=create_refresh_token(user),
        token_type="bearer",
        expires_in=int(app.config["JWT_ACCESS_TOKEN_EXPIRES"].total_seconds()),
    )


@app.delete("/logout")
@jwt_required()
def logout():
    revoke(get_jwt()["jti"])
    return jsonify(msg="Access token revoked")


@app.get("/who_am_i")
@jwt_required()
def who_am_i():
    return jsonify(id=current_user["id"], username=current_user["name"])


if __name__ == "__main__":
    create_database()
    control = Control()
    # The clock jumps by days; an idle connection is not to be closed for it.
    server = create_server(app, listen="127.0.0.1:0", threads=8, channel_timeout=10**9, ident=None)
    announce(server.effective_port, control.port)
    server.run()
