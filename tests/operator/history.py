"""A random history: several people and tools, two lattices, names that collide; and the model of who owns what.

The operator that ships runs against models of the API server and of wadm, in virtual time, with lost answers, failures,
restarts and a wadm that is away. The model knows only what people did: which objects ask for which application. From
that follows what the operator may do, checked at each thing that it does, and what there must be in the end.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import msgspec

from tests.operator import model_lattice
from tests.operator.model_cluster import ModelCluster, ModelKube
from tests.operator.model_lattice import ModelLattices, ModelWadm
from wadm.operator import names
from wadm.operator.kube import KubeError
from wadm.operator.program import Operator, Settings
from wadm.transport import virtual_time

STEPS = 30
CALM = 240.0
"""Seconds after which everything must be as it should be: longer than the longest pause of the operator."""
NEWS = 0.2
"""Seconds for which the operator may act on what was so before: its watches and its own requests take their time."""
LATTICES = ("east", "west")
NAMESPACES = ("ns-a", "ns-b", "ns-c")
NAMES = ("shop", "cart", "Pay_Api")
IMAGES = tuple(f"registry.local/app:{number}" for number in range(4))

Place = tuple[str, str]
"""Lattice and name."""


def spec(image: str) -> dict[str, Any]:
    scaler = {"type": "spreadscaler", "properties": {"instances": 1}}
    return {"components": [{"name": "web", "type": "component", "properties": {"image": image}, "traits": [scaler]}]}


def manifest(name: str, image: str, version: str) -> bytes:
    metadata = {"name": name, "annotations": {"version": version}}
    return msgspec.json.encode(
        {"apiVersion": "core.oam.dev/v1beta1", "kind": "Application", "metadata": metadata, "spec": spec(image)}
    )


SPELLINGS = ("nats://hub", "HUB", "tls://Hub/")
"""Of the one address of NATS: each namespace writes it in its own way."""


def config(namespace: str, name: str, lattice: str) -> dict[str, Any]:
    return {
        "apiVersion": names.HOST_CONFIGS.api_version,
        "kind": "WasmCloudHostConfig",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"lattice": lattice, "version": "1.9.2", "natsAddress": SPELLINGS[NAMESPACES.index(namespace)]},
    }


class Clock:
    """Stands for the module ``time``, in virtual time."""

    def time(self) -> float:
        return virtual_time.EPOCH + asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class History:
    """One history: what people do, drawn from a seed, and the judgement."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.seed = seed
        self.clock = Clock()
        self.trouble = self.chance.choice((0.0, 0.0, 0.02, 0.1))
        self.cluster = ModelCluster(self.clock.time)
        self.wadms = {
            one: ModelWadm(one, self.clock.time, lambda *what, one=one: self.acted(one, *what)) for one in LATTICES
        }
        self.operator: asyncio.Task[None] | None = None
        self.told: list[str] = []
        self.handed: set[Place] = set()
        """Places where the operator deployed and that it has not undeployed since."""
        self.adopted: set[Place] = set()
        """Places of what ran already when somebody applied an object for it, so that nothing had to be deployed."""
        self.washed: dict[Place, tuple[str, str] | None] = {}
        """What another tool did last at a place: version and image; ``None``: it deleted or undeployed it."""
        self.violations: list[str] = []
        self.versions = 0
        self.changes = 0

    # -- who may do what ---------------------------------------------------------------------

    def claims(self, place: Place, *, ever: bool = False) -> list[Any]:
        """Objects that people wrote and that mean a place."""
        found = []
        for body in self.cluster.all(names.APPLICATIONS):
            if self.is_mirror(body) and not self.is_claimed(body):
                continue
            if self.meant(body) == place and ("deletionTimestamp" not in body["metadata"] or ever):
                found.append(body)
        return found

    def is_mirror(self, body: Any) -> bool:
        return bool((body["metadata"].get("labels") or {}).get("wasmcloud.dev/owner") == "wadm")

    def is_claimed(self, body: Any) -> bool:
        return any(one["manager"] == "kubectl" for one in body["metadata"]["managedFields"])

    def meant(self, body: Any) -> Place | None:
        """The place that an object means by the host configs that there are; ``None``: none, or several."""
        notes = body["metadata"].get("annotations") or {}
        configs = [
            one for one in self.cluster.all(names.HOST_CONFIGS)
            if one["metadata"]["namespace"] == body["metadata"]["namespace"]
        ]  # fmt: skip
        here = {one["spec"]["lattice"] for one in configs} | {
            one["status"]["accepted"]["lattice"] for one in configs if "accepted" in one.get("status", {})
        }
        wish = notes.get("wasmcloud.dev/lattice")
        fit = {one for one in here if wish in (None, one)}
        if len(fit) != 1:
            return None
        return fit.pop(), notes.get("wasmcloud.dev/application") or body["metadata"]["name"]

    def acted(self, lattice: str, author: str, what: str, name: str, version: str) -> None:
        place = (lattice, name)
        self.changes += 2 if what == "deploy" else 1
        if author != "operator":
            return
        words = f"{self.clock.monotonic():.1f} s: the operator does {what} {version} of {lattice}/{name}"
        self.told.append(words)
        if what in ("put", "deploy"):
            # An answer may have been on its way when somebody changed the object: what it meant a moment ago counts.
            self.demand(
                bool(self.claims(place, ever=True)) or place in self.recent(), f"{words}, which nobody asked for"
            )
            self.handed.add(place)
        if what == "delete":
            owned = place in self.handed or place in self.adopted
            self.demand(owned, f"{words}, which Kubernetes never owned")
            asked = any(one["metadata"]["uid"] in self.settled_uids(place) for one in self.claims(place))
            self.demand(not asked, f"{words}, which an object still asks for")
            self.handed.discard(place)
            self.adopted.discard(place)
            self.washed.pop(place, None)

    def demand(self, fulfilled: bool, words: str) -> None:
        """Note what must not be; raised within the operator it would be taken for a mistake of one pass."""
        if not fulfilled:
            self.violations.append(words)

    def recent(self) -> set[Place]:
        """Places that objects have meant: what was decided a moment ago may still be under way."""
        return self._recent

    _recent: set[Place]

    def settled_uids(self, place: Place) -> set[str]:
        """Objects that have meant a place since before the last step, and longer than news are under way."""
        before = self.clock.monotonic() - NEWS
        return {uid for (uid, one), since in self._settled.items() if one == place and since < before}

    _settled: dict[tuple[str, Place], float]

    def note(self) -> None:
        """Note, before a step, what is meant."""
        now, known = self.clock.monotonic(), self._settled
        self._settled = {}
        for body in self.cluster.all(names.APPLICATIONS):
            if (not self.is_mirror(body) or self.is_claimed(body)) and (place := self.meant(body)):
                self._recent.add(place)
                if "deletionTimestamp" not in body["metadata"]:
                    key = (body["metadata"]["uid"], place)
                    self._settled[key] = known.get(key, now)
                applied = (body.get("status") or {}).get("applied") or {}
                if place == (applied.get("lattice"), applied.get("name")):
                    self.adopted.add(place)

    # -- what people do ----------------------------------------------------------------------

    async def step(self) -> None:
        doings = {
            self.apply: 6, self.edit: 2, self.rename: 3, self.relabel: 2, self.delete_object: 4, self.orphan: 1,
            self.wash_deploy: 3, self.wash_undeploy: 1, self.wash_delete: 1, self.host_config: 2,
            self.delete_host_config: 1, self.delete_namespace: 0.5, self.restart: 1, self.away: 1, self.pass_time: 1,
        }  # fmt: skip
        doing = self.chance.choices([*doings], [*doings.values()])[0]
        self.note()
        self.told.append(f"{self.clock.monotonic():.1f} s: {doing.__name__}")
        self.changes += 1
        try:
            doing()
        except KubeError as error:
            self.told.append(f"  refused: {error}")
        self.note_after()

    def note_after(self) -> None:
        for body in self.cluster.all(names.APPLICATIONS):
            if (not self.is_mirror(body) or self.is_claimed(body)) and (place := self.meant(body)):
                self._recent.add(place)

    def some(self, kind: names.Kind) -> Any:
        bodies = self.cluster.all(kind)
        return self.chance.choice(bodies) if bodies else None

    def apply(self) -> None:
        """Somebody applies an application: a new one, or over whatever has the name."""
        namespace, name = self.chance.choice(NAMESPACES), self.chance.choice(("shop", "cart"))
        notes = {}
        if self.chance.random() < 0.3:
            notes["wasmcloud.dev/application"] = self.chance.choice(NAMES)
        if self.chance.random() < 0.4:
            notes["wasmcloud.dev/lattice"] = self.chance.choice(LATTICES)
        if self.chance.random() < 0.2:
            notes["version"] = f"v{self.chance.randrange(3)}"
        body = {
            "apiVersion": names.APPLICATIONS.api_version,
            "kind": "Application",
            "metadata": {"namespace": namespace, "name": name, "annotations": notes},
            "spec": spec(self.chance.choice(IMAGES)),
        }
        self.told.append(f"  {namespace}/{name} {notes} {body['spec']['components'][0]['properties']['image']}")
        self.cluster.apply(body, "kubectl", True, False)

    def edit(self) -> None:
        if body := self.some(names.APPLICATIONS):
            key = (body["metadata"]["namespace"], body["metadata"]["name"])
            image = self.chance.choice(IMAGES)
            self.told.append(f"  {key} {image}")
            self.cluster.patch(names.APPLICATIONS, key, lambda there: there | {"spec": spec(image)}, "kubectl")

    def rename(self) -> None:
        self.annotate("wasmcloud.dev/application", self.chance.choice((*NAMES, None)))

    def relabel(self) -> None:
        self.annotate("wasmcloud.dev/lattice", self.chance.choice((*LATTICES, None)))

    def annotate(self, note: str, text: str | None) -> None:
        bodies = [one for one in self.cluster.all(names.APPLICATIONS) if not self.is_mirror(one)]
        if not bodies:
            return
        metadata = self.chance.choice(bodies)["metadata"]
        self.told.append(f"  {metadata['namespace']}/{metadata['name']} {note}={text}")

        def change(there: Any) -> Any:
            notes = {k: v for k, v in (there["metadata"].get("annotations") or {}).items() if k != note}
            there["metadata"]["annotations"] = notes | ({note: text} if text else {})
            return there

        self.cluster.patch(names.APPLICATIONS, (metadata["namespace"], metadata["name"]), change, "kubectl")

    def delete_object(self) -> None:
        if body := self.some(names.APPLICATIONS):
            metadata = body["metadata"]
            self.told.append(f"  {metadata['namespace']}/{metadata['name']}{' (mirror)' * self.is_mirror(body)}")
            self.cluster.delete(names.APPLICATIONS, (metadata["namespace"], metadata["name"]), "kubectl")

    def orphan(self) -> None:
        if body := self.some(names.APPLICATIONS):
            metadata = body["metadata"]
            if "deletionTimestamp" not in metadata and metadata.get("finalizers"):
                self.told.append(f"  {metadata['namespace']}/{metadata['name']}")
                if place := self.meant(body):
                    self.released.add(place)
                key = (metadata["namespace"], metadata["name"])
                self.cluster.objects[names.APPLICATIONS, key]["metadata"]["finalizers"].append("orphan")
                self.cluster.delete(names.APPLICATIONS, key, "kubectl")

    def host_config(self) -> None:
        namespace, name = self.chance.choice(NAMESPACES), self.chance.choice(("hosts", "more"))
        lattice = self.chance.choice(LATTICES)
        self.told.append(f"  {namespace}/{name} of {lattice}")
        self.cluster.apply(config(namespace, name, lattice), "kubectl", True, False)

    def delete_host_config(self) -> None:
        if body := self.some(names.HOST_CONFIGS):
            metadata = body["metadata"]
            self.told.append(f"  {metadata['namespace']}/{metadata['name']}")
            self.cluster.delete(names.HOST_CONFIGS, (metadata["namespace"], metadata["name"]), "kubectl")

    def delete_namespace(self) -> None:
        namespace = self.chance.choice(NAMESPACES)
        self.told.append(f"  {namespace}")
        self.cluster.delete_namespace(namespace)

    def wash_deploy(self) -> None:
        lattice, name, image = self.chance.choice(LATTICES), self.chance.choice(NAMES), self.chance.choice(IMAGES)
        self.versions += 1
        version = f"wash-{self.versions}"
        self.told.append(f"  {lattice}/{name} {version} {image}")
        self.wadms[lattice].put(manifest(name, image, version), "wash")
        self.wadms[lattice].deploy(name, version, "wash")
        self.washed[lattice, name] = (version, image)

    def wash_delete(self) -> None:
        self.of_wash(lambda wadm, name: wadm.delete(name, "wash"))

    def wash_undeploy(self) -> None:
        self.of_wash(lambda wadm, name: wadm.undeploy(name, "wash"))

    def of_wash(self, act: Any) -> None:
        wadm = self.wadms[self.chance.choice(LATTICES)]
        if wadm.applications:
            name = self.chance.choice(sorted(wadm.applications))
            self.told.append(f"  {wadm.lattice}/{name}")
            act(wadm, name)
            self.washed[wadm.lattice, name] = None

    def restart(self) -> None:
        self.kill()
        self.start()

    def away(self) -> None:
        wadm = self.wadms[self.chance.choice(LATTICES)]
        wadm.away = not wadm.away

    def pass_time(self) -> None:
        """Nothing happens for a while, see ``run``."""

    # -- the operator ------------------------------------------------------------------------

    def start(self) -> None:
        lattices: list[ModelLattices] = []

        def make(kube: Any, base: Any, listener: Any) -> Any:
            lattices.append(ModelLattices(self.wadms, self.chance, self.trouble, listener))
            return lattices[0]

        of = Settings(nats=model_lattice.settings(), leader_election=False)
        operator = Operator(of, lambda metrics: ModelKube(self.cluster, self.chance, self.trouble), make)  # type: ignore[arg-type, return-value]
        self.lattices = lattices[0]
        self.running = operator
        self.operator = asyncio.create_task(operator.work())

    def kill(self) -> None:
        assert self.operator is not None
        self.operator.cancel()
        self.lattices.want(())
        for uid in list(self.lattices._held):
            self.lattices.hold(uid, ())

    async def run(self) -> None:
        self.released: set[Place] = set()
        self._recent, self._settled = set(), {}
        self.start()
        for namespace, lattice in zip(NAMESPACES, self.chance.choices(LATTICES, k=3), strict=True):
            self.cluster.apply(config(namespace, "hosts", lattice), "kubectl", True, False)
        for _ in range(STEPS):
            await self.step()
            await asyncio.sleep(self.chance.choice((0.0, 0.1, 0.5, 3.0, 10.0)))
            self.controllers()
            self.note()
            assert self.operator is not None
            assert not self.operator.done(), self.operator
            assert not self.violations, self.violations
        for wadm in self.wadms.values():
            wadm.away = False
        self.trouble = 0.0
        self.running._kube.trouble = 0.0  # type: ignore[attr-defined]
        self.lattices._trouble = 0.0
        for _, (view, _) in self.lattices._views.items():
            if view._client:
                view._client._trouble = 0.0
        for _ in range(int(CALM / 10)):
            await asyncio.sleep(10.0)
            self.controllers()
        self.judge()
        before = len(self.cluster.log)
        await asyncio.sleep(CALM)
        again = Counter((manager, kind.kind, key) for manager, _, kind, key in self.cluster.log[before:])
        assert not again, f"written without end: {again}"
        self.kill()
        await asyncio.gather(self.operator, return_exceptions=True)  # type: ignore[arg-type]

    def controllers(self) -> None:
        """Do what controllers of Kubernetes do: collect garbage, have pods ready."""
        self.cluster.collect_garbage()
        for body in self.cluster.all(names.DEPLOYMENTS):
            metadata, count = body["metadata"], body["spec"]["replicas"]
            status = {"observedGeneration": metadata["generation"], "replicas": count, "readyReplicas": count}
            status |= {"updatedReplicas": count}
            key = (metadata["namespace"], metadata["name"])
            self.cluster.patch(
                names.DEPLOYMENTS, key, lambda there, status=status: there | {"status": status}, "kubelet", status=True
            )

    # -- the judgement -----------------------------------------------------------------------

    def judge(self) -> None:
        assert not self.violations, self.violations
        bodies = self.cluster.all(names.APPLICATIONS)
        stuck = [one["metadata"]["name"] for one in bodies if "deletionTimestamp" in one["metadata"]]
        assert not stuck, f"still being deleted: {stuck}"
        claimed: dict[Place, list[Any]] = {}
        for body in bodies:
            if not self.is_mirror(body) and (place := self.meant(body)):
                claimed.setdefault(place, []).append(body)
        for (lattice, name), owners in claimed.items():
            application = self.wadms[lattice].applications.get(name)
            assert application is not None, f"{lattice}/{name} is not there"
            assert application.deployed, f"{lattice}/{name} is not deployed"
            image = application.versions[application.deployed].spec.components[0].properties.image
            images = {one["spec"]["components"][0]["properties"]["image"] for one in owners}
            assert image in images, f"{lattice}/{name} runs {image}, asked for is {images}"
        for place, done in self.washed.items():
            if done is None or place in claimed or place in self.handed:
                continue
            application = self.wadms[place[0]].applications.get(place[1])
            assert application is not None, f"{place} was put with wash and is gone"
            assert application.deployed == done[0], f"{place} runs {application.deployed}, wash deployed {done[0]}"
        self.judge_mirrors(bodies, claimed)

    def judge_mirrors(self, bodies: list[Any], claimed: dict[Place, list[Any]]) -> None:
        shown = Counter(self.shown(one) for one in bodies if self.is_mirror(one))
        doubles = [place for place, count in shown.items() if count > 1]
        assert not doubles, f"mirrored twice: {doubles}"
        homes = {one["spec"]["lattice"] for one in self.cluster.all(names.HOST_CONFIGS)}
        pending = {
            (place.get("lattice"), place.get("name"))
            for one in bodies
            for place in (
                (one.get("status") or {}).get("applied") or {},
                *((one.get("status") or {}).get("applied") or {}).get("former", ()),
            )
        }
        wanted = {
            (lattice, name)
            for lattice in homes
            for name in self.wadms[lattice].applications
            if (lattice, name) not in claimed and (lattice, name) not in pending
        }
        assert set(shown) == wanted, f"mirrored {sorted(shown)}, wanted {sorted(wanted)}"
        for body in bodies:
            if self.is_mirror(body):
                lattice, name = self.shown(body)
                application = self.wadms[lattice].applications[name]
                version = application.deployed or next(reversed(application.versions))
                image = application.versions[version].spec.components[0].properties.image
                assert body["spec"]["components"][0]["properties"]["image"] == image, f"mirror of {lattice}/{name}"

    def shown(self, body: Any) -> Place:
        notes = body["metadata"]["annotations"]
        return notes["wasmcloud.dev/lattice"], notes.get("wasmcloud.dev/application") or body["metadata"]["name"]


def play(seed: int) -> History:
    history: list[History] = []
    random.seed(seed)  # pauses after failures are drawn from it

    async def run() -> None:
        history.append(History(seed))
        await history[0].run()

    try:
        virtual_time.run(run())
    except Exception as error:
        raise AssertionError("\n".join([f"seed {seed}: {error!r}", *history[0].told])) from error
    return history[0]
