"""`python -m app.users`: add and remove users of a real deployment."""

import argparse
import asyncio
import secrets
import sys

from dotenv import load_dotenv
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from app.auth import add_user
from app.database import Database, make_engine
from app.models import Base, Tier, User
from app.seed import make_seed
from app.settings import AppSettings


def main(arguments: list[str] | None = None) -> None:
    """Run one command and end with status 1 and one line if it could not be done."""
    parser = argparse.ArgumentParser(prog="python -m app.users", description="Users of the service")
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="add a user and show the API key, once")
    add.add_argument("--tier", choices=[tier.value for tier in Tier], default=Tier.FREE.value)
    add.add_argument("--id", help="how the user is called; made up if not given")
    remove = commands.add_parser("remove", help="remove a user, whose key then stops working at once")
    remove.add_argument("--id", required=True)
    options = parser.parse_args(arguments)

    load_dotenv(".env")
    settings = AppSettings.load()
    sys.stdout.write(asyncio.run(_run(options, settings)) + "\n")


async def _run(options: argparse.Namespace, settings: AppSettings) -> str:
    seed = make_seed(with_demo_users=False, port=settings.port)
    database = Database(make_engine(settings.database), Base.metadata, seed)
    try:
        if options.command == "add":
            return await _add(database, options.id or f"user-{secrets.token_hex(6)}", Tier(options.tier))
        return await _remove(database, options.id)
    except (SQLAlchemyError, OSError) as error:
        # Only the kind: the text of a driver may quote what it was given.
        sys.exit(f"The database cannot be used: {type(error).__name__}")
    finally:
        await database.close()


async def _add(database: Database, user_id: str, tier: Tier) -> str:
    async with database.session() as session:
        key = add_user(session, user_id=user_id, tier=tier)
        try:
            await session.commit()
        except IntegrityError:
            sys.exit(f"A user {user_id} exists already")
    return f"User {user_id} ({tier}). The API key, shown only now: {key}"


async def _remove(database: Database, user_id: str) -> str:
    async with database.session() as session:
        removed = await session.execute(delete(User).where(User.id == user_id).returning(User.id))
        found = removed.first() is not None
        await session.commit()
    return f"User {user_id} is removed" if found else sys.exit(f"There is no user {user_id}")


if __name__ == "__main__":
    main()
