"""Every endpoint of API 1.55, in one table: method, path, handler, the version it came with. Nothing else registers
routes.

``{name}`` matches anything, slashes too, because image names have them; the first route that matches wins.
``CLIENT_ONLY`` marks a handler that does nothing but serve its client: it is cancelled when the client goes. All others
run to their end.
"""

from havre.api.handlers import (
    absent,
    archives,
    build,
    buildkit,
    containers,
    execs,
    files,
    havrebuild,
    images,
    networks,
    ports,
    stats,
    streams,
    system,
    volumecopies,
    volumes,
)
from havre.api.router import CLIENT_ONLY, Route, delete, get, head, options, post, put

NOT_YET = absent.not_yet
NO_SWARM = absent.no_swarm

SYSTEM: tuple[Route, ...] = (
    get("/_ping", system.ping),
    head("/_ping", system.ping),
    get("/version", system.version),
    get("/info", system.info),
    get("/events", system.events, CLIENT_ONLY),
    get("/system/df", system.disk_usage),
    post("/auth", system.auth),
    options("/{name}", system.options),
)

CONTAINERS: tuple[Route, ...] = (
    post("/containers/create", containers.create),
    get("/containers/json", containers.list_),
    post("/containers/prune", containers.prune, since=(1, 25)),
    get("/containers/{name}/json", containers.inspect),
    get("/containers/{name}/top", containers.top),
    get("/containers/{name}/logs", streams.logs, CLIENT_ONLY),
    get("/containers/{name}/attach/ws", streams.attach_websocket, CLIENT_ONLY),
    post("/containers/{name}/attach", streams.attach, CLIENT_ONLY),
    post("/containers/{name}/wait", streams.wait, CLIENT_ONLY),
    post("/containers/{name}/start", containers.start),
    post("/containers/{name}/stop", containers.stop),
    post("/containers/{name}/restart", containers.restart),
    post("/containers/{name}/kill", containers.kill),
    post("/containers/{name}/pause", containers.pause),
    post("/containers/{name}/unpause", containers.unpause),
    post("/containers/{name}/rename", containers.rename),
    post("/containers/{name}/update", containers.update),
    post("/containers/{name}/resize", containers.resize),
    head("/containers/{name}/archive", archives.stat),
    get("/containers/{name}/archive", archives.get, CLIENT_ONLY),
    put("/containers/{name}/archive", archives.put),
    delete("/containers/{name}/checkpoints/{checkpoint}", absent.no_checkpoints),
    delete("/containers/{name}", containers.remove),
    get("/containers/{name}/changes", files.changes),
    get("/containers/{name}/export", files.export, CLIENT_ONLY),
    get("/containers/{name}/stats", stats.stats, CLIENT_ONLY),
    post("/commit", files.commit),
    get("/containers/{name}/checkpoints", absent.no_checkpoints),
    post("/containers/{name}/checkpoints", absent.no_checkpoints),
)

EXECS: tuple[Route, ...] = (
    post("/containers/{name}/exec", execs.create),
    post("/exec/{name}/start", execs.start, CLIENT_ONLY),
    post("/exec/{name}/resize", execs.resize),
    get("/exec/{name}/json", execs.inspect),
)

IMAGES: tuple[Route, ...] = (
    get("/images/json", images.list_),
    post("/images/create", images.create, CLIENT_ONLY),
    post("/images/load", images.load),
    get("/images/get", images.save, CLIENT_ONLY),
    post("/images/prune", images.prune, since=(1, 25)),
    get("/images/search", images.search),
    get("/images/{name}/get", images.save, CLIENT_ONLY),
    get("/images/{name}/history", images.history),
    get("/images/{name}/json", images.inspect),
    get("/images/{name}/attestations", images.attestations, since=(1, 55)),
    post("/images/{name}/tag", images.tag),
    post("/images/{name}/push", images.push),
    delete("/images/{name}", images.remove),
    get("/distribution/{name}/json", images.distribution, since=(1, 30)),
    post("/build", build.build, CLIENT_ONLY),
    post("/build/prune", build.prune, since=(1, 31)),
    post("/build/cancel", build.cancel),
    post("/session", buildkit.session, CLIENT_ONLY),
    post("/grpc", buildkit.control, CLIENT_ONLY),
)

NETWORKS: tuple[Route, ...] = (
    get("/networks", networks.list_),
    get("/networks/", networks.list_),
    post("/networks/create", networks.create),
    post("/networks/prune", networks.prune, since=(1, 25)),
    post("/networks/{name}/connect", networks.connect),
    post("/networks/{name}/disconnect", networks.disconnect),
    get("/networks/{name}", networks.inspect),
    delete("/networks/{name}", networks.remove),
)

VOLUMES: tuple[Route, ...] = (
    get("/volumes", volumes.list_),
    post("/volumes/create", volumes.create),
    post("/volumes/prune", volumes.prune, since=(1, 25)),
    get("/volumes/{name}", volumes.inspect),
    put("/volumes/{name}", absent.update_volume, since=(1, 42)),
    delete("/volumes/{name}", volumes.remove),
)

HAVRE: tuple[Route, ...] = (
    post("/havre/build", havrebuild.build, CLIENT_ONLY),
    post("/havre/build/contexts", havrebuild.offer),
    put("/havre/build/contexts/{name}", havrebuild.fill),
    post("/havre/build/agents/{name}", havrebuild.agent, CLIENT_ONLY),
    get("/havre/volumes/{name}/export", volumecopies.export, CLIENT_ONLY),
    post("/havre/volumes/{name}/import", volumecopies.import_),
    post("/havre/volumes/{name}/clone", volumecopies.clone),
    get("/havre/volumes/{name}/snapshots", volumecopies.snapshots),
    post("/havre/volumes/{name}/snapshots", volumecopies.snapshot),
    post("/havre/volumes/{name}/snapshots/{snapshot}/restore", volumecopies.restore),
    delete("/havre/volumes/{name}/snapshots/{snapshot}", volumecopies.drop_snapshot),
    get("/havre/images/diff", images.diff, CLIENT_ONLY),
    get("/havre/images/{name}/layers", images.layers, CLIENT_ONLY),
    post("/havre/networks/repair", networks.repair),
    post("/havre/fsck", system.fsck, CLIENT_ONLY),
    get("/havre/ports/{port}", ports.why),
    post("/havre/containers/{name}/ports", ports.add),
    delete("/havre/containers/{name}/ports/{port}", ports.remove),
)

PLUGINS: tuple[Route, ...] = (
    get("/plugins", absent.list_plugins),
    get("/plugins/privileges", NOT_YET("plugins")),
    get("/plugins/{name}/json", absent.no_plugin),
    post("/plugins/pull", NOT_YET("plugins")),
    post("/plugins/create", NOT_YET("plugins")),
    post("/plugins/{name}/enable", absent.no_plugin),
    post("/plugins/{name}/disable", absent.no_plugin),
    post("/plugins/{name}/push", absent.no_plugin),
    post("/plugins/{name}/upgrade", absent.no_plugin, since=(1, 26)),
    post("/plugins/{name}/set", absent.no_plugin),
    delete("/plugins/{name}", absent.no_plugin),
)

SWARM: tuple[Route, ...] = (
    post("/swarm/init", NOT_YET("docker swarm init")),
    post("/swarm/join", NOT_YET("docker swarm join")),
    post("/swarm/leave", absent.not_in_swarm),
    get("/swarm", NO_SWARM),
    get("/swarm/unlockkey", NO_SWARM),
    post("/swarm/update", NO_SWARM),
    post("/swarm/unlock", NO_SWARM),
    get("/services", NO_SWARM),
    post("/services/create", NO_SWARM),
    get("/services/{name}/logs", NO_SWARM),
    get("/services/{name}", NO_SWARM),
    post("/services/{name}/update", NO_SWARM),
    delete("/services/{name}", NO_SWARM),
    get("/nodes", NO_SWARM),
    get("/nodes/{name}", NO_SWARM),
    post("/nodes/{name}/update", NO_SWARM),
    delete("/nodes/{name}", NO_SWARM),
    get("/tasks", NO_SWARM),
    get("/tasks/{name}/logs", NO_SWARM, since=(1, 29)),
    get("/tasks/{name}", NO_SWARM),
    get("/secrets", NO_SWARM, since=(1, 25)),
    post("/secrets/create", NO_SWARM, since=(1, 25)),
    get("/secrets/{name}", NO_SWARM, since=(1, 25)),
    post("/secrets/{name}/update", NO_SWARM, since=(1, 25)),
    delete("/secrets/{name}", NO_SWARM, since=(1, 25)),
    get("/configs", NO_SWARM, since=(1, 30)),
    post("/configs/create", NO_SWARM, since=(1, 30)),
    get("/configs/{name}", NO_SWARM, since=(1, 30)),
    post("/configs/{name}/update", NO_SWARM, since=(1, 30)),
    delete("/configs/{name}", NO_SWARM, since=(1, 30)),
)

ALL: tuple[Route, ...] = (
    *SYSTEM,
    *CONTAINERS,
    *EXECS,
    *IMAGES,
    *NETWORKS,
    *VOLUMES,
    *HAVRE,
    *PLUGINS,
    *SWARM,
)
