"""The server everybody finds at first: one guild, two channels, a forum, its owner, three people and the bot."""

from __future__ import annotations

from adapters.emulators.clock import Clock

from .events import Hub
from .limits import Limits
from .permissions import EVERYONE, Permission
from .snowflakes import Snowflakes
from .state import FORUM, TEXT, Channel, Guild, Member, Role, User, World

MODERATOR = int(
    Permission.MANAGE_GUILD
    | Permission.MANAGE_CHANNELS
    | Permission.MANAGE_MESSAGES
    | Permission.MANAGE_THREADS
    | Permission.KICK_MEMBERS
)


def new_world(clock: Clock, limits: Limits, bot_token: str, bot_permissions: int) -> World:
    """People: Ada, who has Manage Guild by the role Moderators, Ben and Cleo; Olga owns the server and is quiet."""
    ids = Snowflakes(clock)
    bot = User(ids.new(), "Parley", bot=True)
    world = World(clock, limits, Hub(), bot, application_id=bot.id, bot_token=bot_token, ids=ids)
    people = {name: User(ids.new(), name.lower(), global_name=name) for name in ("Olga", "Ada", "Ben", "Cleo")}
    world.users = {one.id: one for one in (bot, *people.values())}
    guild = add_guild(world, "Parley's friends", people["Olga"], bot_permissions)
    moderators = Role(ids.new(), "Moderators", MODERATOR, position=2)
    guild.roles[moderators.id] = moderators
    for name, user in people.items():
        roles = [moderators.id] if name == "Ada" else []
        guild.members[user.id] = Member(user, world.now(), roles)
    for position, name in enumerate(("general", "random")):
        add_channel(world, guild, name, position=position)
    add_channel(world, guild, "questions", FORUM, position=2)
    return world


def add_guild(world: World, name: str, owner: User, bot_permissions: int) -> Guild:
    """A guild with @everyone, the bot and the bot's own role."""
    guild = Guild(world.ids.new(), name, owner.id, joined_at=world.now())
    guild.roles[guild.id] = Role(guild.id, "@everyone", EVERYONE)
    own = Role(world.ids.new(), world.bot.name, bot_permissions, position=1, managed_by=world.bot.id)
    guild.roles[own.id] = own
    guild.members[world.bot.id] = Member(world.bot, world.now(), [own.id])
    guild.members[owner.id] = Member(owner, world.now())
    world.guilds[guild.id] = guild
    return guild


def add_channel(world: World, guild: Guild, name: str, kind: int = TEXT, *, position: int = 0) -> Channel:
    channel = Channel(world.ids.new(), kind, name, guild.id, position=position)
    world.channels[channel.id] = channel
    return channel
