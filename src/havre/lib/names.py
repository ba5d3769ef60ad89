"""Names for containers that were given none: an adjective and a noun of the harbour."""

import random
from collections.abc import Callable


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ADJECTIVES = _words(
    """
    able agile amber ample azure balmy bold brave breezy bright brisk busy calm candid cheerful clear clever
    cosy crisp curious daring deft dreamy eager early earnest easy elegant fabled fair famous fearless fine
    fluent fond free fresh friendly gallant gentle gifted glad golden graceful grand happy hardy hearty honest
    hopeful humble jaunty jolly keen kind lively loyal lucid lucky mellow merry mighty mild modest musing neat
    nimble noble novel open patient peaceful placid plucky polite proud quaint quick quiet radiant rapid ready
    robust rosy sage salty serene sharp silver sincere sleepy smart snug sober solid spry stately steady stoic
    sturdy sunny sure swift tidal tidy trim trusty upbeat useful valiant vivid warm wise witty worthy zesty
    """
)

_NOUNS = _words(
    """
    albatross anchor atoll barge bay beacon bollard bosun bow breaker breeze bridge brig buoy cabin canal cape
    capstan cargo catamaran channel clipper coast compass coral cove crane crew current cutter deck delta
    dinghy dock dolphin dory estuary ferry fjord fleet foghorn frigate galleon gangway gannet gull gulf
    halyard harbour haven heron hold hull inlet island jetty kayak keel kelp ketch lagoon lantern lighthouse
    lock longboat mainsail mariner marina mast mermaid mooring narwhal navigator oar ocean otter outrigger
    oyster packet pelican pennant petrel pier pilot porpoise port prow puffin quay raft reef regatta rigging
    rope rudder sail sailor schooner seal sextant shanty ship shoal shore skiff skipper sloop spar starfish
    steamer stern strait tanker tern tide tiller topsail trawler tug turtle voyage walrus wave whale wharf
    wheel whistle yacht yawl
    """
)

_PLAIN_TRIES = 6


def random_name(taken: Callable[[str], bool]) -> str:
    """A free ``adjective_noun``; after a few that ``taken`` refuses, a growing number is put behind it."""
    for _attempt in range(_PLAIN_TRIES):
        name = f"{random.choice(_ADJECTIVES)}_{random.choice(_NOUNS)}"
        if not taken(name):
            return name
    limit = 10
    while True:
        numbered = f"{name}{random.randrange(limit)}"
        if not taken(numbered):
            return numbered
        limit *= 2
