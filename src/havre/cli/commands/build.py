"""``havre build``: an image from a Dockerfile."""

from __future__ import annotations

from havre.cli.building import flags
from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.building.outputs import Output
    from havre.cli.building.steps import Display, Steps
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Build an image from a Dockerfile"
USAGE = "havre build [OPTIONS] PATH | URL | -"


def configure(parser: Parser) -> None:
    flags.declare(parser)


def run(args: Args, ctx: Context) -> int:
    """Send the contexts, follow the build, and bring the result to where it shall go."""
    from havre.cli.building import outputs
    from havre.cli.building.steps import Steps

    flags.check(args)
    quiet = args.quiet or args.progress == "quiet"
    if args.quiet and args.progress not in ("auto", "quiet"):
        raise CommandError(f"progress={args.progress} and quiet cannot be used together")
    output = outputs.output(args)
    outputs.check(args, output, ctx)
    steps = Steps(_display(args, ctx, quiet))
    try:
        told = _build(args, ctx, steps, output)
    finally:
        steps.display.close()
    if told.answer is not None:
        from havre.cli.building import answers

        text, code = answers.show("check" if args.check else args.call, told.answer)
        ctx.out.write(text)
        return code
    if told.warnings and not quiet:
        noun = "warning" if len(told.warnings) == 1 else "warnings"
        shown = "".join(f" - {warning}\n" for warning in told.warnings)
        ctx.err.write(f"\n {len(told.warnings)} {noun} found:\n{shown}")
    if told.lock and args.lock:
        from json import dumps

        _write(args.lock, dumps(told.lock, indent=2) + "\n")
    if not (image := told.image):
        return 0
    outputs.deliver(output, ctx, image["id"], image["names"])
    _note(args, image)
    if quiet and output.path != "-":
        ctx.out.write(f"{image['id']}\n")
    return 0


def _display(args: Args, ctx: Context, quiet: bool) -> Display:
    from havre.cli.building import displays

    if quiet:
        return displays.Quiet()
    if args.progress == "rawjson":
        return displays.RawJson(ctx.err)
    terminal = ctx.err.isatty()
    if args.progress == "tty" and not terminal:
        raise CommandError("failed to get console: stderr is no terminal")
    if args.progress == "plain" or not terminal:
        return displays.Plain(ctx.err)
    from havre.cli.building.screen import Screen

    return Screen(ctx.err, ctx.environ)


def _build(args: Args, ctx: Context, steps: Steps, output: Output) -> Told:
    from havre.cli.building import request, secrets

    asked = request.body(args, ctx)
    asked["names"] += [request.full_name(name) for name in output.names]
    asked["output"] = "tree" if output.is_tree else "image"
    _load(args, ctx, steps, asked)
    if args.ssh:
        from secrets import token_hex

        asked["session"] = token_hex(8)
        agents = secrets.agents(args.ssh, ctx.environ)
        asked["agents"] = list(agents)
        secrets.forward(ctx, asked["session"], agents)
    return _follow(ctx, asked, steps, output)


def _load(args: Args, ctx: Context, steps: Steps, asked: dict[str, Any]) -> None:
    from havre.cli.building import request
    from havre.lib.sizes import human_size

    current: dict[str, Any] = {}

    def told(title: str, size: int) -> None:
        if current.get("title") != title:
            end()
            current.update(title=title, step=steps.begin(title, title))
        current["size"] = size
        steps.display.status(current["step"], f"transferring context: {human_size(size)}", False)

    def end() -> None:
        if step := current.get("step"):
            steps.display.status(step, f"transferring context: {human_size(current['size'])} done", True)
            steps.end(step)

    request.add_contexts(args, ctx, asked, told)
    end()


def _follow(ctx: Context, asked: dict[str, Any], steps: Steps, output: Output) -> Told:
    from havre.cli.building import outputs, request
    from havre.wire.jsonlines import Decoder

    sink = outputs.TreeSink(output, ctx) if output.is_tree and not asked["call"] else None
    told = Told()
    try:
        response = ctx.client.post("/havre/build", body=asked, headers=request.credentials_header(ctx))
        decoder = Decoder()
        for chunk in response.iter_chunks():
            for message in decoder.feed(chunk):
                assert isinstance(message, dict)
                if error := message.get("errorDetail"):
                    raise CommandError(_failure(steps, error["message"], told.excerpt))
                told.take(message)
                if sink is not None and "data" in message:
                    sink.take(message["data"])
                steps.take(message)
        told.whole = True
    finally:
        steps.display.close()
        if sink is not None:
            sink.close(told.whole)
    return told


class Told:
    """What the daemon said beside the steps."""

    def __init__(self) -> None:
        self.image: dict[str, Any] = {}
        self.answer: dict[str, Any] | None = None
        self.lock: dict[str, Any] = {}
        self.excerpt = ""
        self.warnings: list[str] = []
        self.whole = False

    def take(self, message: dict[str, Any]) -> None:
        self.image = message.get("image", self.image)
        self.answer = message.get("answer", self.answer)
        self.lock = message.get("lock", self.lock)
        self.excerpt = message.get("excerpt", self.excerpt)
        if "warning" in message:
            self.warnings.append(message["warning"])


def _failure(steps: Steps, message: str, excerpt: str) -> str:
    """What went wrong: the last lines of the step, its place in the Dockerfile, and the reason."""
    parts = []
    if (step := steps.failed()) is not None and step.lines:
        written = "".join(f"{seconds:.3f} {line}\n" for seconds, line in step.lines)
        parts.append(f"------\n > {step.name}:\n{written}------\n")
    return "".join((*parts, excerpt, f"ERROR: {message}"))


def _note(args: Args, image: dict[str, Any]) -> None:
    """Write the files that were asked for beside the image."""
    if args.iidfile:
        _write(args.iidfile, image["id"])
    if args.metadata_file:
        from json import dumps

        found = {"containerimage.config.digest": image["id"], "containerimage.digest": image["id"]}
        if image["names"]:
            found["image.name"] = ",".join(image["names"])
        _write(args.metadata_file, dumps(found, indent=2) + "\n")


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError as error:
        raise CommandError(f"open {path}: {(error.strerror or str(error)).lower()}") from error
