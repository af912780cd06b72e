"""The parts that both fastapi-users applications share: the tables, the users in them, and the server around them.

Everything is as the library's guide for SQLAlchemy shows it, but for the cost of a password hash: a run logs in some
thousand times, and the strength of the hash is not what is looked at.
"""

import asyncio
import os
import socket
import sqlite3
import uuid
from collections.abc import AsyncGenerator

import uvicorn
from fastapi import Depends
from fastapi_users import BaseUserManager, UUIDIDMixin
from fastapi_users.db import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users.password import PasswordHelper
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from surroundings import Control, accounts, announce

DATABASE = os.environ["REAL_DATABASE"]
SIGNING_KEY = os.environ["REAL_SIGNING_KEY"]
PASSWORDS = PasswordHelper(PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)))


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    pass


engine = create_async_engine(f"sqlite+aiosqlite:///{DATABASE}")
new_session = async_sessionmaker(engine, expire_on_commit=False)


async def session() -> AsyncGenerator[AsyncSession, None]:
    async with new_session() as open_session:
        yield open_session


async def user_table(open_session: AsyncSession = Depends(session)):
    yield SQLAlchemyUserDatabase(open_session, User)


class UserManager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    pass


async def user_manager(table=Depends(user_table)):
    yield UserManager(table, PASSWORDS)


async def create_database():
    async with engine.begin() as connection:
        await connection.exec_driver_sql("pragma journal_mode = wal")
        await connection.run_sync(Base.metadata.create_all)
    async with new_session() as open_session:
        for user in accounts():
            open_session.add(
                User(
                    id=uuid.UUID(user["id"]),
                    email=user["name"],
                    hashed_password=PASSWORDS.hash(user["password"]),
                    is_active=user["role"] != "blocked",
                    is_verified=user["role"] != "unverified",
                )
            )
        await open_session.commit()


class Administrator:
    """The hook `accounts`: does to a user's row what an administrator would do."""

    def __init__(self):
        self._deleted = {}

    def __call__(self, order):
        email, state = f"{order['identity']}@example.com", order["state"]
        with sqlite3.connect(DATABASE, timeout=10) as db:
            db.row_factory = sqlite3.Row
            if state == "deleted":
                self._deleted[email] = dict(db.execute("select * from user where email = ?", (email,)).fetchone())
                db.execute("delete from user where email = ?", (email,))
                return
            if row := self._deleted.pop(email, None):
                db.execute(f"insert into user ({','.join(row)}) values ({','.join('?' * len(row))})", [*row.values()])
            changed = db.execute("update user set is_active = ? where email = ?", (state == "active", email))
            if changed.rowcount != 1:
                raise ValueError(f"there is no user {email}")


def serve(app):
    """Runs the application on free ports until it is told to stop."""
    asyncio.run(_serve(app))


async def _serve(app):
    await create_database()
    control = Control({"/accounts": Administrator()})
    # With its protocol named, or asyncio leaves Nagle's algorithm on and each answer takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    # The server writes its Date once a second of real time; with a clock that is moved it would be stale.
    config = uvicorn.Config(app, date_header=False, log_level="warning", lifespan="off")
    announce(listener.getsockname()[1], control.port)
    await uvicorn.Server(config).serve(sockets=[listener])
