"""Where the database's file and the downloaded videos are."""

from hashlib import sha256
from pathlib import Path

from storage.postgres_url import PostgresUrl

DEFAULT_FOLDER = Path("data")


def folder_of(database: Path | PostgresUrl, data_dir: Path | None) -> Path:
    """The folder of the database's file, or of the videos if a server has the database."""
    return database.parent if isinstance(database, Path) else data_dir or DEFAULT_FOLDER


def downloads_folder(database: Path | PostgresUrl, data_dir: Path | None, *, bot_id: str) -> Path:
    """The folder of downloaded videos, another one for each database.

    Beside the database its name is enough. In another folder, databases of the same name meet, in
    containers even of the same path: there the bot's id is part of the name, too.
    """
    if isinstance(database, PostgresUrl):
        return folder_of(database, data_dir) / f"postgresql-{_owner(str(database), bot_id)}.downloads"
    if data_dir is None or data_dir.absolute() == database.absolute().parent:
        return Path(f"{database}.downloads")
    return data_dir / f"{database.name}-{_owner(str(database.absolute()), bot_id)}.downloads"


def _owner(database: str, bot_id: str) -> str:
    return sha256(f"{bot_id} {database}".encode()).hexdigest()[:12]
