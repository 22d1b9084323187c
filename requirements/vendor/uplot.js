// The chart library, as a module.
export { default } from "uplot";
