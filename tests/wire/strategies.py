"""Values of the model to be written and read again."""

from __future__ import annotations

from hypothesis import strategies as st

from wadm.model import commands, events
from wadm.model.lattice import Component, Inventory, Link, Provider
from wadm.model.status import SEVERITY, ApplicationStatus, Explanation, ScalerStatus
from wadm.wire.reading import MAX_COUNT

# Any text that UTF-8 can hold: names are few in a real lattice, and hosts check none of them.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
host_ids = ids.filter(lambda text: text != "wadm")
counts = st.integers(0, MAX_COUNT)
maps = st.dictionaries(texts, texts, max_size=4)
names = st.lists(texts, max_size=3).map(tuple)
times = st.floats(0, 4e9)

components = st.builds(Component, ids, texts, counts, maps)
providers = st.builds(Provider, ids, texts, maps)  # health is not part of what is said of a provider
links = st.builds(Link, ids, ids, ids, texts, texts, names, names, names)
inventories = st.builds(
    Inventory,
    host_ids,
    texts,
    maps,
    texts,
    st.integers(0, 10**9),
    st.lists(components, max_size=3).map(tuple),
    st.lists(providers, max_size=3).map(tuple),
)

all_events = st.one_of(
    st.builds(events.HostStarted, host_ids, texts, maps, texts),
    st.builds(events.HostStopped, host_ids),
    st.builds(events.HostHeartbeat, inventories),
    st.builds(events.LabelsChanged, host_ids, maps),
    st.builds(events.ComponentScaled, host_ids, components),
    st.builds(events.ComponentScaleFailed, host_ids, ids, texts, texts),
    st.builds(events.ProviderStarted, host_ids, providers),
    st.builds(events.ProviderStartFailed, host_ids, ids, texts, texts),
    st.builds(events.ProviderStopped, host_ids, ids),
    st.builds(events.ProviderHealth, host_ids, ids, st.sampled_from(["running", "failed"]), st.just(False)),
    st.builds(events.ProviderHealth, host_ids, ids, st.just("running"), st.just(True)),
    st.builds(events.LinkSet, links),
    st.builds(events.LinkSetFailed, links, texts),
    st.builds(events.LinkDeleted, st.tuples(ids, texts, texts, ids), st.none() | ids),
    st.builds(events.ConfigSet, ids),
    st.builds(events.ConfigDeleted, ids),
)

all_commands = st.one_of(
    st.builds(commands.ScaleComponent, texts, texts, counts, texts, texts, maps, names),
    st.builds(commands.UpdateComponent, texts, texts, texts, texts, maps),
    st.builds(commands.StartProvider, texts, texts, texts, texts, maps, names),
    st.builds(commands.StopProvider, texts, texts, texts, maps),
    st.builds(commands.PutLink, texts, texts, texts, texts, texts, names, texts, names, names),
    st.builds(commands.DeleteLink, texts, texts, texts, texts, texts),
    st.builds(commands.PutConfig, texts, maps, texts),
    st.builds(commands.DeleteConfig, texts, texts),
)

types = st.sampled_from(SEVERITY)
explanations = st.builds(
    Explanation,
    waiting_for=texts,
    since=times,
    next=texts,
    next_try=times,
    attempts=st.integers(0, 99),
    last_error=texts,
    wanted=counts,
    running=counts,
)
scaler_statuses = st.builds(ScalerStatus, texts, texts, texts, types, texts, explanations)
statuses = st.builds(ApplicationStatus, types, texts, st.lists(scaler_statuses, max_size=3).map(tuple))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
