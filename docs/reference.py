"""Writes ``docs/reference/``: the commands, the manifest and the API, each from where it is declared."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
import yaml

from wadm import COMPATIBLE_WITH, __version__
from wadm.cli.group import LazyGroup
from wadm.cli.main import COMMANDS
from wadm.model.insight import ApplicationView, Planned
from wadm.server import access
from wadm.wire import status, subjects
from wadm.wire.operations import OPERATIONS, Operation

HERE = Path(__file__).parent / "reference"
SCHEMA = Path(__file__).parents[1] / "src/wadm/cli/manifest.schema.json"
SECURITY = Path(__file__).parent / "security.md"
BEGIN = "<!-- written by scripts/reference from src/wadm/server/access.py -->"
END = "<!-- end -->"
NOT_A_COMMAND_LINE = ("serve", "operator")
"""What is described elsewhere: the server and the operator."""

# -- commands ----------------------------------------------------------------------------------


def commands() -> str:
    """Return the reference of the command line: what ``--help`` says of each command."""
    group = LazyGroup(COMMANDS)
    parts = [
        "# Commands\n\nWhat `wadm COMMAND --help` says of each. [The server](../server.md) has pages of its own.\n"
    ]
    parts.append("| command | does |\n| --- | --- |\n" + "".join(_row(name) for name in COMMANDS))
    for name in COMMANDS:
        if name in NOT_A_COMMAND_LINE:
            continue
        command = group.get_command(click.Context(group), name)
        assert command is not None
        context = click.Context(command, info_name=f"wadm {name}", terminal_width=100, max_content_width=100)
        parts.append(f"## wadm {name}\n\n```text\n{command.get_help(context).rstrip()}\n```\n")
    return "\n".join(parts)


def _row(name: str) -> str:
    shown = f"`wadm {name}`" if name in NOT_A_COMMAND_LINE else f"[`wadm {name}`](#wadm-{name})"
    return f"| {shown} | {COMMANDS[name].summary} |\n"


# -- the manifest ------------------------------------------------------------------------------


def manifest() -> str:
    """Return the reference of manifests, from the schema that editors use."""
    schema = json.loads(SCHEMA.read_text())
    parts = [
        "# The manifest\n\nMade from the schema that `wadm schema` prints; `wadm validate` checks more than that.\n",
        _table("Application", schema),
    ]
    parts += [_table(name, one) for name, one in schema["$defs"].items()]
    return "\n".join(parts)


def _table(name: str, schema: Mapping[str, Any]) -> str:
    text = f"## {name}\n\n{schema.get('description', '')}\n"
    for variant in [schema, *schema.get("oneOf", ()), *schema.get("anyOf", ()), *schema.get("allOf", ())]:
        properties = variant.get("properties")
        if not properties:
            continue
        required = variant.get("required", ())
        rows = "".join(
            f"| `{key}` | {_type(one)} | {'yes' if key in required else ''} | {_words(one)} |\n"
            for key, one in properties.items()
        )
        text += f"\n| field | is | required | |\n| --- | --- | --- | --- |\n{rows}"
    return text


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "")
    return ", ".join(kind) if isinstance(kind, list) else str(kind)


def _words(schema: Mapping[str, Any]) -> str:
    text = " ".join(str(schema.get("description", "")).split())
    if "default" in schema:
        text += f" Default: `{json.dumps(schema['default'])}`."
    return text.replace("|", "\\|").strip()


# -- the API -----------------------------------------------------------------------------------

KEPT: dict[tuple[str, str], Any] = {
    ("StatusReply", "status"): status.StatusDocument,
    ("Summary", "detailed_status"): status.StatusDocument,
    ("InsightReply", "plan"): Planned,
    ("InsightReply", "explanation"): ApplicationView,
}
"""What is in the parts of replies that programs pass on as they are."""


def asyncapi() -> str:
    """Return the AsyncAPI description of the request subjects."""
    schemas = _schemas(*(operation.reply for operation in OPERATIONS), *KEPT.values())
    for (name, field), kind in KEPT.items():
        schemas[name]["properties"][field] = _schema_of(kind)
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for operation in sorted(OPERATIONS, key=lambda one: (one.name, one.named)):
        key = f"{operation.name}{'Application' if operation.named else ''}"
        parameters = {"lattice": {"description": "The lattice."}}
        if operation.named:
            parameters["name"] = {"description": "The application."}
        channels[key] = {
            "address": subjects.api("{lattice}", operation.name, "{name}" if operation.named else None),
            "parameters": parameters,
            "messages": {
                "request": {"payload": _body_of(operation)},
                "reply": {"payload": _schema_of(operation.reply)},
            },
        }
        operations[key] = {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{key}"},
            "summary": operation.about,
            "messages": [{"$ref": f"#/channels/{key}/messages/request"}],
            "reply": {
                "channel": {"$ref": f"#/channels/{key}"},
                "messages": [{"$ref": f"#/channels/{key}/messages/reply"}],
            },
        }
    document = {
        "asyncapi": "3.0.0",
        "info": {"title": "wadm", "version": COMPATIBLE_WITH, "description": "Requests over NATS; see api.md."},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"schemas": schemas},
    }
    return "# Written by scripts/reference.\n" + yaml.safe_dump(document, sort_keys=False, width=110)


def _body_of(operation: Operation) -> dict[str, Any]:
    """Return the schema of a request's body; a manifest has one of its own."""
    if operation.manifest or not operation.fields:
        return {}
    return {"type": "object", "properties": {field.name: field.schema(in_body=True) for field in operation.fields}}


REFERENCE = "#/components/schemas/{name}"


def _schemas(*types: Any) -> dict[str, Any]:
    return msgspec.json.schema_components(types, schema_hook=_anything, ref_template=REFERENCE)[1]


def _schema_of(kind: Any) -> dict[str, Any]:
    ((schema,), _) = msgspec.json.schema_components([kind], schema_hook=_anything, ref_template=REFERENCE)
    return schema


def _anything(kind: type) -> dict[str, Any]:
    return {}  # bytes that are kept as they are: any JSON


# -- manual pages ------------------------------------------------------------------------------


def manual() -> dict[str, str]:
    """Return the manual pages by file name: one for the program, one for each command."""
    from wadm.server.flags import FLAGS

    group = LazyGroup(COMMANDS)
    listed = "".join(f".TP\n.B wadm {name}\n{_roff(entry.summary)}.\n" for name, entry in COMMANDS.items())
    options = "".join(
        f".TP\n.B {_roff(', '.join(filter(None, (flag.short, flag.long))))}"
        f"{' ' + flag.value if flag.value else ''}\n{_roff(flag.help)} [{flag.env}]\n"
        for flag in FLAGS
        if not flag.hidden
    )
    about = "keeps wasmCloud applications running as declared"
    pages = {
        "wadm.1": _page("wadm", about, ".B wadm\n[OPTIONS]\n.br\n.B wadm\nCOMMAND [ARGUMENTS]\n")
        + ".SH DESCRIPTION\nWithout a command it is the server, and takes the options below.\n"
        + f".SH COMMANDS\n{listed}.SH OPTIONS OF THE SERVER\n{options}"
    }
    for name, entry in COMMANDS.items():
        if name in NOT_A_COMMAND_LINE:
            continue
        command = group.get_command(click.Context(group), name)
        assert command is not None
        context = click.Context(command, info_name=f"wadm {name}", terminal_width=90, max_content_width=90)
        usage, _, rest = command.get_help(context).partition("\n\n")
        synopsis = f".B {_roff(usage.removeprefix('Usage: '))}\n"
        pages[f"wadm-{name}.1"] = (
            _page(f"wadm-{name}", entry.summary, synopsis)
            + f".SH DESCRIPTION\n.nf\n{_roff(rest.rstrip())}\n.fi\n.SH SEE ALSO\n.BR wadm (1)\n"
        )
    return pages


def _page(name: str, about: str, synopsis: str) -> str:
    what = about[:1].lower() + about[1:]
    return (
        '.\\" Written by scripts/reference.\n'
        f'.TH {name.upper()} 1 "" "wadm {__version__}" "wadm"\n'
        f".SH NAME\n{name} \\- {_roff(what)}\n.SH SYNOPSIS\n{synopsis}"
    )


def _roff(text: str) -> str:
    """Return text as roff takes it: backslashes and hyphens spelt out, no line that begins as a request does."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    lines = (f"\\&{line}" if line.startswith((".", "'")) else line for line in escaped.split("\n"))
    return "\n".join(lines)


MANUAL = Path(__file__).parent / "man"
LINT = Path(__file__).parent / "lint"


def lint() -> dict[str, str]:
    """Return the pages about the codes of ``wadm validate`` by file name."""
    return dict(lint_codes().pages())


def lint_codes() -> Any:
    """Return the module that they are declared in, beside this one."""
    spec = importlib.util.spec_from_file_location("lint_codes", Path(__file__).with_name("lint_codes.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FILES: dict[str, Callable[[], str]] = {"commands.md": commands, "manifest.md": manifest, "asyncapi.yaml": asyncapi}


def main() -> None:
    """Write all files."""
    os.environ["COLUMNS"] = "100"
    for name, make in FILES.items():
        (HERE / name).write_text(make())
    SECURITY.write_text(security(SECURITY.read_text()))
    _write_all(MANUAL, "*.1", manual())
    _write_all(LINT, "*.md", lint())


def security(page: str) -> str:
    """Return the page on security with the table of subjects and the permissions in their place."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}\n{access.as_markdown()}\n```nats\n{access.example()}```\n{end}{after}"


def _write_all(directory: Path, pattern: str, pages: Mapping[str, str]) -> None:
    """Write the pages of a directory, and remove those that are not made any more."""
    directory.mkdir(exist_ok=True)
    for old in directory.glob(pattern):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        (directory / name).write_text(text)


if __name__ == "__main__":
    main()
