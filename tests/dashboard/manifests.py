"""Applications to look at."""

from __future__ import annotations


def an_app(
    name: str,
    version: str = "v1",
    image: str = "ghcr.io/example/ui:0.1.0",
    instances: int = 2,
    requirements: str = "",
    description: str = "",
) -> str:
    """Return a manifest of one component, to be spread over hosts with a requirement such as ``zone: east``."""
    spread = f"\n          spread: [{{name: there, requirements: {{{requirements}}}}}]" if requirements else ""
    return f"""
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: {name}
  annotations: {{version: "{version}", description: "{description}"}}
spec:
  components:
    - name: ui
      type: component
      properties: {{image: "{image}"}}
      traits:
      - type: spreadscaler
        properties:
          instances: {instances}{spread}
"""


def shop(version: str = "v1", instances: int = 4) -> str:
    """Return a manifest with components, providers and links: what the picture of an application is for."""
    return f"""
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: shop
  annotations: {{version: "{version}", description: "The shop: catalogue, basket and payment"}}
spec:
  components:
    - name: http
      type: capability
      properties: {{image: "ghcr.io/wasmcloud/http-server:0.27.0"}}
      traits:
        - type: daemonscaler
          properties: {{replicas: 1}}
        - type: link
          properties:
            target: {{name: frontend}}
            namespace: wasi
            package: http
            interfaces: [incoming-handler]
            source: {{config: [{{name: address, properties: {{address: "0.0.0.0:8080"}}}}]}}
    - name: frontend
      type: component
      properties: {{image: "ghcr.io/example/shop-frontend:{version}"}}
      traits:
        - type: spreadscaler
          properties:
            instances: {instances}
            spread:
              - {{name: east, weight: 50, requirements: {{zone: east}}}}
              - {{name: west, weight: 50, requirements: {{zone: west}}}}
        - type: link
          properties: {{target: {{name: catalogue}}, namespace: shop, package: catalogue, interfaces: [items]}}
        - type: link
          properties: {{target: {{name: basket}}, namespace: shop, package: basket, interfaces: [basket]}}
    - name: catalogue
      type: component
      properties: {{image: "ghcr.io/example/shop-catalogue:2.4.1"}}
      traits:
        - type: spreadscaler
          properties: {{instances: 2}}
        - type: link
          properties: {{target: {{name: kv}}, namespace: wasi, package: keyvalue, interfaces: [store]}}
    - name: basket
      type: component
      properties: {{image: "ghcr.io/example/shop-basket:1.9.0"}}
      traits:
        - type: spreadscaler
          properties: {{instances: 3}}
        - type: link
          properties: {{target: {{name: kv}}, namespace: wasi, package: keyvalue, interfaces: [store, atomics]}}
    - name: kv
      type: capability
      properties: {{image: "ghcr.io/wasmcloud/keyvalue-nats:0.3.1"}}
      traits:
        - type: spreadscaler
          properties: {{instances: 1}}
"""
