"""The pages about the codes of `wadm validate`: what each means, how to mend it, and a manifest that has it.

Each page shows the difference between a manifest that is right and one that is not. Tests check both.
"""

from __future__ import annotations

from difflib import unified_diff
from typing import NamedTuple

RIGHT = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: shop
  labels:
    team: shop
  annotations:
    version: v1.0.0
spec:
  components:
    - name: web
      type: component
      properties:
        image: registry.example/web:1.0.0
        config:
          - name: settings
            properties:
              greeting: hello
        secrets:
          - name: password
            properties:
              policy: vault
              key: shop/password
      traits:
        - type: spreadscaler
          properties:
            instances: 4
            spread:
              - name: east
                weight: 50
                requirements:
                  zone: east
              - name: west
                weight: 50
                requirements:
                  zone: west
        - type: link
          properties:
            target:
              name: store
              config:
                - name: bucket
                  properties:
                    bucket: shop
            namespace: wasi
            package: keyvalue
            interfaces: [store]
    - name: store
      type: capability
      properties:
        image: registry.example/keyvalue:1.0.0
      traits:
        - type: spreadscaler
          properties:
            instances: 1
  policies:
    - name: vault
      type: policy.secret.wasmcloud.dev/v1alpha1
      properties:
        backend: nats-kv
"""

STORE = "        image: registry.example/keyvalue:1.0.0\n"
SHARED = "        application:\n          name: platform\n          component: keyvalue\n"
SCALER = "      traits:\n        - type: spreadscaler\n          properties:\n            instances: 1\n"
CONFIG = "                - name: bucket\n                  properties:\n                    bucket: shop\n"
LINK = RIGHT[RIGHT.index("        - type: link") : RIGHT.index("    - name: store")]


class Page(NamedTuple):
    """A code: what is wrong in a few words, what comes of it, how to mend it, and edits that make it wrong. Without
    edits it cannot be shown in one manifest, and ``text`` says how it comes about."""

    code: str
    title: str
    text: str
    mend: str
    edits: tuple[tuple[str, str], ...] = ()


PAGES = (
    Page(
        "E001",
        "The name has characters that are not allowed",
        "The name of an application becomes part of NATS subjects and of ids in the lattice.",
        "Use letters, digits, `-` and `_`.",
        (("name: shop\n  labels", "name: my shop\n  labels"),),
    ),
    Page(
        "E002",
        "The version is `latest`",
        "`latest` is what `wash` and others write for *the newest, whichever that is*, so no version may be called so.",
        "Name the version (`v1.0.0`), or leave the annotation out: then every `put` gets a version of its own.",
        (("version: v1.0.0", "version: latest"),),
    ),
    Page(
        "E003",
        "The key of a label is not allowed",
        "Keys of labels have the form that Kubernetes has.",
        "A key is up to 63 letters, digits, `-`, `_` and `.`, first and last a letter or digit; a domain and `/` may "
        "stand before it.",
        (("    team: shop", "    team!: shop"),),
    ),
    Page(
        "E004",
        "The key of an annotation is not allowed",
        "Keys of annotations have the form that Kubernetes has.",
        "As for labels ([E003](E003.md)).",
        (("    version: v1.0.0", "    version: v1.0.0\n    my note: hello"),),
    ),
    Page(
        "E005",
        "Two components have one name",
        "Links refer to components by name, and ids in the lattice are made of names.",
        "Give each component a name of its own.",
        (
            ("- name: store\n      type", "- name: web\n      type"),
            ("name: store\n              config", "name: web\n              config"),
        ),
    ),
    Page(
        "E006",
        "Two components have one `id`",
        "An `id` is what a component is called in the lattice; two would take each other's place.",
        "Give each component an `id` of its own, or none: then it is called APPLICATION-NAME.",
        (
            ("        image: registry.example/web", "        id: one\n        image: registry.example/web"),
            (STORE, "        id: one\n" + STORE),
        ),
    ),
    Page(
        "E007",
        "A link leads to a component that is not in the manifest",
        "The target of a link is named as it is called in this manifest.",
        "Correct the name, or add the component. A component of another application is added with `application:` "
        "instead of `image:`.",
        (("              name: store\n", "              name: stor\n"),),
    ),
    Page(
        "E008",
        "A link has no `target`",
        "Said of a trait of type `link` that lacks other fields too ([E013](E013.md)).",
        "Add `target:` with the name of a component, and the fields that the hint names.",
        (
            (
                "            target:\n              name: store\n              config:\n"
                + CONFIG
                + "            namespace: wasi\n",
                "",
            ),
        ),
    ),
    Page(
        "E009",
        "A link's target has no name",
        "Said of a trait of type `link` that lacks other fields too ([E013](E013.md)).",
        "Write `target: {name: ...}`, and the fields that the hint names.",
        (
            (
                "            target:\n              name: store\n              config:\n"
                + CONFIG
                + "            namespace: wasi\n",
                "            target: store\n",
            ),
        ),
    ),
    Page(
        "E010",
        "A secret names a policy that is not for secrets",
        "Secrets come from a backend; a policy of type `policy.secret.wasmcloud.dev/v1alpha1` says which.",
        "Give the policy that type, or name another policy.",
        (("policy.secret.wasmcloud.dev/v1alpha1", "policy.example.com/v1"),),
    ),
    Page(
        "E011",
        "A secret's policy has no `backend`",
        "The backend is the program that hosts ask for the secret.",
        "Add `backend:` to the properties of the policy.",
        (("        backend: nats-kv", "        prefix: nats-kv"),),
    ),
    Page(
        "E012",
        "A secret names a policy that is not there",
        "Policies stand under `spec.policies`.",
        "Add the policy, or correct its name.",
        (("              policy: vault", "              policy: valut"),),
    ),
    Page(
        "E013",
        "A trait of type `link` does not have the fields of a link",
        "The original keeps such a trait and makes no link of it; so it is refused.",
        "A link has `namespace`, `package`, `interfaces` and `target`; configuration stands under `source` or "
        "`target`, and its values are strings. The hint names what is missing. (`values` and `linkdef` are of "
        "wasmCloud 0.82.)",
        (("            namespace: wasi\n", ""),),
    ),
    Page(
        "E014",
        "A scaler does not have the fields of a scaler",
        "The original keeps such a trait and starts nothing for it; so it is refused.",
        "A scaler has `instances`, a whole number without quotes, and may have `spread`. The hint names what is wrong.",
        (("            instances: 1\n", "            instances: '1'\n"),),
    ),
    Page(
        "E015",
        "A component has both `image` and `application`",
        "Either it is started from an image, or it is one that another application shares.",
        "Remove one of the two.",
        ((STORE, STORE + SHARED),),
    ),
    Page(
        "E016",
        "A component has neither `image` nor `application`",
        "Nothing says what to run.",
        "Add an image, or refer to a shared component with `application`.",
        ((STORE, "        id: my-store\n"),),
    ),
    Page(
        "E017",
        "A shared component has `config`",
        "It is configured by the application that shares it.",
        "Remove it here; configure a link instead.",
        ((STORE + SCALER, SHARED + "        config:\n          - name: settings\n"),),
    ),
    Page(
        "E018",
        "A shared component has `secrets`",
        "Its secrets are named by the application that shares it.",
        "Remove them here.",
        (
            (
                STORE + SCALER,
                SHARED
                + "        secrets:\n          - name: token\n            properties: {policy: vault, key: token}\n",
            ),
        ),
    ),
    Page(
        "E019",
        "A shared component has a scaler",
        "It is scaled by the application that shares it.",
        "Remove the scaler here.",
        ((STORE, SHARED),),
    ),
    Page(
        "E020",
        "A component has the same link twice",
        "Links of one component with the same name, namespace, package and interface replace each other.",
        "Give one of them another `name`.",
        ((LINK, LINK + LINK.replace("- name: bucket", "- name: other")),),
    ),
    Page(
        "E021",
        "Two configurations of links have one name",
        "Both would be written to the lattice under that name.",
        "Give one of them another name; where both are the same, leave out the `properties` of one.",
        ((LINK, LINK + LINK.replace("interfaces: [store]", "interfaces: [atomics]")),),
    ),
    Page(
        "E041",
        "An `id` is taken by another application",
        "Said when a manifest is deployed, planned, or asked about: another deployed application has a component with "
        "that `id`.",
        "Give it another `id`, or undeploy the other application.",
    ),
    Page(
        "E042",
        "A shared component is not deployed",
        "Said when a manifest is deployed, planned, or asked about: no deployed application shares a component of that "
        "name and type.",
        "Deploy the application that shares it first. Its manifest needs the annotation "
        "`experimental.wasmcloud.dev/shared: 'true'`.",
    ),
    Page(
        "E100",
        "The text is neither YAML nor JSON",
        "Reading stops there; what stands before it is checked all the same.",
        "The hint says what is usual at that place: blanks instead of tabs, quotes around a value with `: ` in it, "
        "indentation. A manifest is UTF-8, at most 8 MiB, 100,000 values and 127 levels deep.",
        (("    - name: store", "\t- name: store"),),
    ),
    Page(
        "E101",
        "A content type that is neither YAML nor JSON",
        "Said by the server where a program sends a manifest with another `Content-Type` header.",
        "Send `application/yaml` or `application/json`, or no type.",
    ),
    Page(
        "E102",
        "A field is missing",
        "The message names it.",
        "Add it. `annotations: {}` is enough where there are none.",
        (("      type: capability\n", ""),),
    ),
    Page(
        "E103",
        "A field is not known",
        "Where the original refuses unknown fields, so that a misspelt one is not silently ignored.",
        "Correct the spelling (the hint names what is close), move it where it belongs, or remove it. Fields of "
        "wasmCloud 0.82 (`contract`, `link_name`) are not there any more, and merge keys (`<<`) are not applied.",
        (("        config:\n          - name: settings", "        configs:\n          - name: settings"),),
    ),
    Page(
        "E104",
        "A field is there twice",
        "Which of the two is meant, nobody can tell.",
        "Keep one.",
        (("      type: capability\n", "      type: capability\n      type: capability\n"),),
    ),
    Page(
        "E105",
        "A value has the wrong type",
        "Mostly a number or nothing where a text should be.",
        "Put numbers that are meant as text in quotes (`'1.10'`); give the field a value, or remove it.",
        (("              greeting: hello", "              greeting: 1"),),
    ),
    Page(
        "E106",
        "A type of component that does not exist",
        "A component is WebAssembly, a capability is a provider.",
        "Write `type: component` or `type: capability`.",
        (("      type: capability", "      type: provider"),),
    ),
    Page(
        "E107",
        "The properties of a trait cannot be kept",
        "Properties of traits are kept as JSON, whose keys are strings.",
        "Put the keys in quotes.",
        (
            (
                "        - type: link\n",
                "        - type: note\n          properties:\n            1: one\n        - type: link\n",
            ),
        ),
    ),
    Page(
        "E110",
        "A key is there twice in a map",
        "In labels, annotations, requirements and configuration the last one would count, and the others be lost. "
        "`wadm` refuses such a file, as `wash` does; the server takes the last.",
        "Keep one of them.",
        (("    version: v1.0.0", "    version: v1.0.0\n    version: v1.0.1"),),
    ),
    Page(
        "W001",
        "An interface is not known in its namespace",
        "wadm knows the interfaces of `wasi` and `wasmcloud`. Others work too; a misspelt one means a link that "
        "nobody uses.",
        "Correct the spelling if it is one.",
        (("            interfaces: [store]", "            interfaces: [stores]"),),
    ),
    Page(
        "W002",
        "A half-written link leads to a component that is not there",
        "Said of a trait of type `link` that lacks other fields ([E013](E013.md)).",
        "Correct the name of the target, and add the fields that are missing.",
        (
            ("              name: store\n              config", "              name: stor\n              config"),
            ("            namespace: wasi\n", ""),
        ),
    ),
    Page(
        "W003",
        "A link leads to a component that is not there",
        "Said beside [E007](E007.md), for each such link.",
        "Correct the name of the target.",
        (("              name: store\n", "              name: stor\n"),),
    ),
    Page(
        "W011",
        "The old spelling `source_config`",
        "It still works.",
        "Write `source: {config: ...}`.",
        (
            (
                "            namespace: wasi\n",
                "            source_config:\n              - name: settings\n            namespace: wasi\n",
            ),
        ),
    ),
    Page(
        "W012",
        "The old spelling `target_config`",
        "It still works where `target` is a name.",
        "Write `target: {name: ..., config: ...}`.",
        (
            (
                "            target:\n              name: store\n              config:\n" + CONFIG,
                "            target: store\n            target_config:\n              - name: settings\n",
            ),
        ),
    ),
    Page(
        "W018",
        "A key is not known, and ignored",
        "The original drops it without a word.",
        "Correct the spelling, or remove it.",
        (("  labels:\n", "  label:\n"),),
    ),
    Page(
        "W021",
        "All weights are 0",
        "Then the spreads are treated as equal.",
        "Leave the weights out, or give at least one more than 0.",
        (("                weight: 50", "                weight: 0"),),
    ),
    Page(
        "W022",
        "A component has several scalers",
        "Only the first counts, and the status is *failed*.",
        "Keep one, with several spreads if need be.",
        ((SCALER, SCALER + SCALER.removeprefix("      traits:\n")),),
    ),
    Page(
        "W023",
        "One configuration or secret with two contents",
        "Both are one in the lattice, and one of the contents wins.",
        "Give one of them another name.",
        (("                - name: bucket", "                - name: settings"),),
    ),
    Page(
        "W024",
        "A link from a provider to a provider",
        "It is never made: one end of a link is a component.",
        "Link a component with each of them.",
        (("      type: component\n", "      type: capability\n"),),
    ),
    Page(
        "W025",
        "Two spreads have one name",
        "What runs for the one cannot be told from what runs for the other.",
        "Give each spread a name of its own.",
        (("              - name: west", "              - name: east"),),
    ),
    Page(
        "W026",
        "Two components get one id",
        "Ids are made of names, in lower case and with punctuation replaced; these two take each other's place.",
        "Names must differ in more than case and punctuation; or give one an `id`.",
        (("    - name: store\n", "    - name: WEB\n"), ("              name: store\n", "              name: WEB\n")),
    ),
    Page(
        "W027",
        "Nothing of a component is started",
        "It has no scaler, so it is declared and nothing else.",
        "Add a trait of type `spreadscaler` or `daemonscaler`.",
        (
            (
                "        - type: spreadscaler\n          properties:\n            instances: 4\n",
                "        - type: note\n          properties:\n            instances: 4\n",
            ),
        ),
    ),
    Page(
        "W028",
        "A trait of a type that means nothing",
        "It is kept, and nothing comes of it.",
        "Links are of type `link`, scalers of type `spreadscaler` or `daemonscaler`.",
        (("        - type: link\n", "        - type: linkdef\n"),),
    ),
    Page(
        "W029",
        "A scaler holds a link",
        "It neither scales nor links.",
        "Its type should be `link`.",
        (("        - type: link\n", "        - type: spreadscaler\n"),),
    ),
    Page(
        "W030",
        "A name that NATS cannot store",
        "The rules allow letters of any script; NATS keys are ASCII, so it cannot be put.",
        "Use letters from a to z, digits, `-` and `_`.",
        (("name: shop\n  labels", "name: läden\n  labels"),),
    ),
    Page(
        "W040",
        "A doubtful image reference",
        "It is taken as it is, and a host will probably not find it: no tag or `latest` (hosts refuse that unless told "
        "otherwise), capital letters, a scheme such as `https://`, a path without `file://`, a placeholder that nobody "
        "filled in, a builtin that hosts do not know.",
        "Write `registry.example/name:tag`, or `file:///absolute/path`, or `file://path` relative to the manifest.",
        (("registry.example/web:1.0.0", "registry.example/web:${TAG}"),),
    ),
    Page(
        "W041",
        "Another `apiVersion` or `kind`",
        "The server does not look at them; `kubectl`, editors and `wadm` itself, where it reads a directory, do.",
        "Write `apiVersion: core.oam.dev/v1beta1` and `kind: Application`.",
        (("core.oam.dev/v1beta1", "core.oam.dv/v1beta1"),),
    ),
    Page(
        "W042",
        "An annotation was meant to share the application, and does not",
        "Only `experimental.wasmcloud.dev/shared` with the value `'true'` does.",
        "Write it so.",
        (("    version: v1.0.0", "    version: v1.0.0\n    wasmcloud.dev/shared: 'true'"),),
    ),
    Page(
        "W043",
        "An artefact is not there",
        "The file of a relative `file://` image does not exist (yet). That does not keep a manifest from being valid; "
        "`wadm put` and `wadm deploy` need the file.",
        "Build it before you deploy, or correct the path: it is relative to the manifest, behind symbolic links.",
        (("registry.example/web:1.0.0", "file://./build/web.wasm"),),
    ),
    Page(
        "W044",
        "A relative image, and no directory that it could be relative to",
        "The manifest came from a URL or from standard input.",
        "Write an absolute `file:///` URL, or a reference in a registry.",
    ),
    Page(
        "W045",
        "Something is there in another file too",
        "Said where several manifests are looked at: the same version of an application twice, or one id for "
        "components of two applications, which cannot run side by side.",
        "Rename one of them, or give one another `id`.",
    ),
    Page(
        "W046",
        "The application is too large to be planned",
        "It has more components, links, spreads or configurations than a server plans, by default 5,000, 2,000, 10,000 "
        "and 10,000. It is stored like any other; once it is deployed, its status says so, nothing of it is started, "
        "changed or stopped, and what runs of an earlier version goes on.",
        "Split the application, or start the server with a larger `--planning-limits`.",
    ),
    Page(
        "E051",
        "A component's image is a provider, or a capability's is a component",
        "Said where images are looked at (`wadm validate --images`, `wadm plan`, `wadm deploy`): a component runs "
        "WebAssembly, a capability a provider archive. Hosts refuse to start the one as the other.",
        "Name the other image, or write the other `type`. `--no-image-check` deploys it all the same.",
    ),
    Page(
        "E052",
        "A component's image does not export what a link delivers to it",
        "Said where images are looked at: calls over the link would fail. Nothing is changed, what runs goes on. "
        "Versions of interfaces are not compared.",
        "Correct the `interfaces` of the link, or deploy an image that exports them. `--no-image-check` deploys it all "
        "the same.",
    ),
    Page(
        "W051",
        "An image holds what hosts do not run",
        "Said where images are looked at: hosts of wasmCloud 1.x run components for WASI 0.2 and provider archives.",
        "Name another image, or build it as a component for WASI 0.2.",
    ),
    Page(
        "W052",
        "A component imports what no link provides",
        "Said where images are looked at: beside what every host provides, each package that a component imports needs "
        "a link to a provider or to a component. Without one its calls fail.",
        "Give the component a link, unless one is put by hand or by another application.",
    ),
    Page(
        "W053",
        "An image could not be looked at",
        "The registry cannot be reached, does not know the image or does not permit it, or the image is too large to "
        "be looked at (2 s and 5 MB are spent at most). A registry that could not be reached is asked again after 5 "
        "minutes. The manifest may be deployed all the same: hosts fetch images by themselves.",
        "Log in with `docker login`, or leave images out with `--no-image-check` (or `WADM_IMAGE_CHECK=false`).",
    ),
    Page(
        "W060",
        "More instances than a host can take",
        "A host reads the number of instances as 32 bits: 4294967295 is the largest. The manifest is stored; once "
        "it is deployed, its status is *failed* and says so, and nothing is started.",
        "Ask for fewer instances.",
        (("instances: 4\n", "instances: 5000000000\n"),),
    ),
    Page(
        "W061",
        "Another application has the id",
        "Said when an application is deployed or planned: another deployed application runs something under the same "
        "id, given or generated (`my-app` and `my_app` generate the same ids). Hosts tell the two apart by nothing "
        "else, so calls may reach either.",
        "Give the component an `id` of its own, or undeploy the other application.",
    ),
)


def wrong(page: Page) -> str:
    """Return the manifest that has the code."""
    text = RIGHT
    for old, new in page.edits:
        if old not in text:
            raise ValueError(f"{page.code}: {old!r} is not in the manifest")
        text = text.replace(old, new)
    return text


def pages() -> dict[str, str]:
    """Return the pages by file name."""
    rows = "".join(f"| [{page.code}]({page.code}.md) | {page.title} |\n" for page in PAGES)
    index = (
        "# Codes of `wadm validate`\n\nCodes stay the same for ever. E are errors: the manifest is refused. "
        "W are warnings: it is accepted, and may not do what it seems to say; `--strict` takes them for errors.\n\n"
        f"| code | what is wrong |\n| --- | --- |\n{rows}"
    )
    found = {"index.md": index}
    for page in PAGES:
        kind = (
            "an error: the manifest is refused" if page.code.startswith("E") else "a warning: the manifest is accepted"
        )
        text = f"# {page.code}: {page.title}\n\nThis is {kind}.\n\n{page.text}\n\n**What to do.** {page.mend}\n"
        if page.edits:
            text += f"\n```diff\n{_difference(wrong(page))}```\n"
        found[f"{page.code}.md"] = f"{text}\n[All codes](index.md)\n"
    return found


def _difference(text: str) -> str:
    lines = list(unified_diff(text.splitlines(), RIGHT.splitlines(), lineterm="", n=2))
    return "".join("…\n" if line.startswith("@@") else f"{line}\n" for line in lines[2:])
