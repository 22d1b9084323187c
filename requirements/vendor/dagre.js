// What the graph uses of dagre, and nothing else.
export { Graph, layout } from "@dagrejs/dagre";
